/** Certificate-bound tokens (RFC 8705 §3) by every grant, at oidc-provider and a resource server over mutual TLS. */
import { createPublicKey } from "node:crypto";
import { DPoPProver, OAuthClient, type OAuthClientOptions, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { calculateJwkThumbprint, decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser, confirmDevice } from "../../servers/browser.js";
import { type CertificateResource, certificateResource } from "../../servers/certificate-resource.js";
import { type Certificate, fetchWith, newCertificate, thumbprintOf } from "../../servers/mutual-tls.js";

const redirectUri = "http://127.0.0.1/callback";
const [own, certificate, stolen] = ["server", "agent", "thief"].map(newCertificate) as [
  Certificate,
  Certificate,
  Certificate,
];
const x5t = thumbprintOf(certificate.cert);
const fetchAs = (presented: Certificate) => fetchWith(presented, own);
const fetch = fetchAs(certificate);
const signer = MemorySigner.generate();

let as: AuthorizationServer;
let rs: CertificateResource;
beforeAll(async () => {
  const mutualTls = { own, client: certificate };
  as = await authorizationServer({ clients: await registrations(), mutualTls });
  rs = await certificateResource({ issuer: as.issuer, audience: as.audience, own });
});
afterAll(() => Promise.all([as.close(), rs.close()]));

async function registrations() {
  const jwk = await signer.publicJwk();
  const assertionKey = { ...jwk, kid: await calculateJwkThumbprint(jwk), use: "sig" };
  const jwks = { keys: [assertionKey] };
  const bound = { ...confidential, tls_client_certificate_bound_access_tokens: true };
  const byCa = { token_endpoint_auth_method: "tls_client_auth", tls_client_auth_subject_dn: "CN=agent" } as const;
  const byKey = { token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_signing_alg: "ES256" } as const;
  const x5c = [Buffer.from(certificateDer()).toString("base64")];
  const certified = { ...createPublicKey(certificate.cert).export({ format: "jwk" }), x5c, kid: "certified" };
  return [
    { ...bound, ...byCa, client_id: "by-ca", jwks },
    {
      ...bound,
      token_endpoint_auth_method: "self_signed_tls_client_auth" as const,
      client_id: "self-signed",
      jwks: { keys: [certified] },
    },
    { ...bound, ...byKey, client_id: "by-key", jwks },
    { ...confidential, ...byCa, client_id: "unbound" },
  ];
}

const certificateDer = () => Buffer.from(certificate.cert.replace(/-----.*-----|\s/g, ""), "base64");
const newClient = (options: Partial<OAuthClientOptions> = {}) =>
  OAuthClient.discover(as.issuer, { clientAuth: "tls_client_auth", certificate: certificate.cert, fetch, ...options });
const agent = { clientId: "by-ca", binding: "certificate", requireBinding: true } as const;
const callWith = async (accessToken: string, presented = certificate) =>
  (await fetchAs(presented)(rs.url, { headers: { authorization: `Bearer ${accessToken}` } })).status;

describe('binding "certificate"', () => {
  const grants = {
    "client credentials": async (client: OAuthClient) => client.clientCredentials({ ...agent, scope: "read" }),
    "a pushed authorization code": async (client: OAuthClient) => byCode(client, true),
    "an authorization code": async (client: OAuthClient) => byCode(client, false),
    "a refresh token": async (client: OAuthClient) => {
      const { refreshToken } = await byCode(client, false);
      return client.refresh({ ...agent, refreshToken: refreshToken ?? expect.unreachable() });
    },
    "a device code": async (client: OAuthClient) => {
      const show = ({ verificationUri, userCode }: { verificationUri: string; userCode: string }) =>
        confirmDevice(verificationUri, userCode, { fetch });
      return client.deviceCode({ ...agent, scope: "read", show });
    },
    "a token exchange": async (client: OAuthClient) => {
      const { accessToken } = await client.clientCredentials({ ...agent, scope: "read" });
      return client.exchangeToken({ ...agent, subjectToken: accessToken });
    },
    "a JWT bearer assertion": async (client: OAuthClient) =>
      client.jwtBearer({ ...agent, assertion: { signer, subject: "alice" } }),
    "any grant": async (client: OAuthClient) => client.getToken({ ...agent, grantType: "client_credentials" }),
  };
  async function byCode(client: OAuthClient, pushed: boolean) {
    const pending = await client.authorizationUrl({ ...agent, redirectUri, scope: "read", pushed });
    expect(new URL(pending.url).searchParams.has("dpop_jkt")).toBe(false);
    const callback = await authorizeInBrowser(pending.url, redirectUri, { fetch });
    return client.authorizationCode(callback, { ...agent, ...pending });
  }

  it.each(Object.entries(grants))("gets a token by %s that only this certificate can use", async (_, getToken) => {
    const before = as.requests.length;
    const token = await getToken(await newClient());
    expect(token).toMatchObject({ tokenType: "Bearer", cnfX5t: x5t, cnfJkt: null });
    expect(decodeJwt(token.accessToken).cnf).toEqual({ "x5t#S256": x5t });
    const posted = as.requests.slice(before).filter(({ method }) => method === "POST");
    expect(posted.filter(({ headers }) => "dpop" in headers)).toEqual([]);
    expect(await callWith(token.accessToken)).toBe(200);
    expect(await callWith(token.accessToken, stolen)).toBe(401);
  });

  it("gets a token for a self-signed certificate that is registered with the server (§2.2)", async () => {
    const client = await newClient({ clientAuth: "self_signed_tls_client_auth" });
    const token = await client.clientCredentials({ ...agent, clientId: "self-signed" });
    expect(token.cnfX5t).toBe(x5t);
    expect(as.requests.at(-1)?.body).toBe("grant_type=client_credentials&client_id=self-signed");
    const thief = await newClient({ clientAuth: "self_signed_tls_client_auth", fetch: fetchAs(stolen) });
    await expect(thief.clientCredentials({ ...agent, clientId: "self-signed" })).rejects.toMatchObject({
      error: "invalid_client",
    });
  });

  it("gets a token with private_key_jwt over mutual TLS", async () => {
    const client = await newClient({ clientAuth: { method: "private_key_jwt", signer } });
    const token = await client.clientCredentials({ ...agent, clientId: "by-key" });
    expect(token.cnfX5t).toBe(x5t);
    expect(await callWith(token.accessToken)).toBe(200);
  });

  it("accepts the certificate as DER too, and uses the first one of a chain", async () => {
    for (const same of [certificateDer(), certificate.cert + stolen.cert]) {
      const client = await newClient({ certificate: same });
      expect(client.certificateThumbprint).toBe(x5t);
      expect((await client.clientCredentials(agent)).cnfX5t).toBe(x5t);
    }
  });

  it("rejects a token that is bound to another certificate than the configured one", async () => {
    const client = await newClient({ certificate: stolen.cert });
    await expect(client.clientCredentials(agent)).rejects.toMatchObject({
      code: "binding",
      message: expect.stringContaining(`bound to certificate ${x5t}, not to the client's certificate`),
    });
  });

  it("rejects an unbound token only with requireBinding", async () => {
    const client = await newClient();
    const unbound = { ...agent, clientId: "unbound" };
    await expect(client.clientCredentials(unbound)).rejects.toMatchObject({ code: "binding" });
    expect(await client.clientCredentials({ ...unbound, requireBinding: false })).toMatchObject({ cnfX5t: null });
  });

  it("is refused by oidc-provider together with a proof", async () => {
    const request = { ...agent, dpopProver: await DPoPProver.generate() };
    await expect((await newClient()).clientCredentials(request)).rejects.toMatchObject({ error: "invalid_request" });
  });
});

describe("a token source", () => {
  it("caches a certificate-bound token, and renews a rejected one", async () => {
    const client = await newClient();
    const source = tokenSource({ ...agent, client, grantType: "client_credentials", scope: "read" });
    const first = await source.token();
    expect(await source.token()).toBe(first);
    const second = await source.renew(first);
    expect(second).toMatchObject({ cnfX5t: x5t, tokenType: "Bearer" });
    expect(second.accessToken).not.toBe(first.accessToken);
    expect(await callWith(second.accessToken)).toBe(200);
  });
});
