/** The profile fapi2 by mutual TLS alone, with oidc-provider's FAPI 2.0 profile: no assertion, no proof. */
import { OAuthClient } from "hardproof";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";
import { fetchWith, newCertificate, thumbprintOf } from "../../servers/mutual-tls.js";

const redirectUri = "http://127.0.0.1/callback";
const [own, certificate] = [newCertificate("server"), newCertificate("agent")];
const fetch = fetchWith(certificate, own);
let as: AuthorizationServer;
beforeAll(async () => {
  const registration = {
    ...confidential,
    client_id: "bank-agent",
    token_endpoint_auth_method: "tls_client_auth",
    tls_client_auth_subject_dn: "CN=agent",
    tls_client_certificate_bound_access_tokens: true,
  } as const;
  as = await authorizationServer({ fapi: true, mutualTls: { own, client: certificate }, clients: [registration] });
});
afterAll(() => as.close());

it("logs a user in and refreshes a token that is bound to the certificate", async () => {
  const client = await OAuthClient.discover(as.issuer, {
    profile: "fapi2",
    clientAuth: "tls_client_auth",
    certificate: certificate.cert,
    fetch,
  });
  const agent = { clientId: "bank-agent", binding: "certificate" } as const;
  const pending = await client.authorizationUrl({ ...agent, redirectUri, scope: "read" });
  expect([...new URL(pending.url).searchParams.keys()]).toEqual(["client_id", "request_uri"]);
  const callback = await authorizeInBrowser(pending.url, redirectUri, { fetch });
  const token = await client.authorizationCode(callback, { ...agent, ...pending });
  const refreshed = await client.refresh({ ...agent, refreshToken: token.refreshToken ?? expect.unreachable() });
  const x5t = thumbprintOf(certificate.cert);
  expect([token.cnfX5t, refreshed.cnfX5t]).toEqual([x5t, x5t]);
  expect(as.requests.some(({ headers }) => headers.dpop !== undefined)).toBe(false);
});
