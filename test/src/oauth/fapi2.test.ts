/** The profiles with oidc-provider's FAPI 2.0 profile: the whole flow, and what that server rejects without them. */
import { DPoPProver, OAuthClient, type OAuthClientOptions, type Profile } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";

const clientId = "bank-agent";
const redirectUri = "http://127.0.0.1/callback";
const scope = "openid offline_access read";
let hsm: SoftHsm;
let signer: Pkcs11Signer;
let prover: DPoPProver;
let as: AuthorizationServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "fapi" });
  signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  prover = await DPoPProver.generate();
  const jwk = await signer.publicJwk();
  const registration = {
    ...confidential,
    token_endpoint_auth_method: "private_key_jwt",
    dpop_bound_access_tokens: true,
    require_pushed_authorization_requests: true,
    jwks: { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk), use: "sig" }] },
  } as const;
  as = await authorizationServer({
    fapi: true,
    clients: [
      { ...registration, client_id: clientId },
      {
        ...registration,
        client_id: "signing-agent",
        request_object_signing_alg: "ES256",
        require_signed_request_object: true,
        response_modes: ["jwt"],
      },
    ],
  });
});
afterAll(async () => {
  await signer.close();
  await Promise.all([as.close(), hsm.close()]);
});

const discover = (profile: Profile | undefined, options: Partial<OAuthClientOptions> = {}) =>
  OAuthClient.discover(as.issuer, { profile, clientAuth: { method: "private_key_jwt", signer }, ...options });
const formsTo = (path: string) =>
  as.requests.filter(({ url }) => url === path).map(({ body }) => new URLSearchParams(body));

describe("the profile fapi2", () => {
  it("logs a user in, refreshes and revokes the token, with nothing but one option", async () => {
    const client = await discover("fapi2");
    const agent = { clientId, dpopProver: prover };
    const pending = await client.authorizationUrl({ ...agent, redirectUri, scope, extra: { prompt: "consent" } });
    expect([...new URL(pending.url).searchParams.keys()]).toEqual(["client_id", "request_uri"]);
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    expect(new URL(callback).searchParams.get("iss")).toBe(as.issuer);
    const token = await client.authorizationCode(callback, { ...agent, ...pending });
    expect(token.cnfJkt).toBe(prover.jkt);
    expect(token.idTokenClaims).toMatchObject({ sub: "alice" });
    const refreshed = await client.refresh({ ...agent, refreshToken: token.refreshToken ?? expect.unreachable() });
    expect(refreshed.cnfJkt).toBe(prover.jkt);
    await client.revoke({ clientId, token: refreshed.refreshToken ?? expect.unreachable() });
  });

  it("authenticates with assertions for the issuer, as one string", async () => {
    const client = await discover("fapi2");
    await client.clientCredentials({ clientId, dpopProver: prover, scope: "read" });
    const { aud } = decodeJwt(formsTo("/oauth/token").at(-1)?.get("client_assertion") ?? "");
    expect(aud).toBe(as.issuer);
  });

  it("is what the server enforces: without it, another audience is rejected", async () => {
    const audience = as.tokenEndpoint;
    const client = await discover(undefined, { clientAuth: { method: "private_key_jwt", signer, audience } });
    await expect(client.clientCredentials({ clientId, dpopProver: prover })).rejects.toMatchObject({
      error: "invalid_client",
    });
  });

  it("is what the server enforces: without it, a request in the browser's URL is rejected", async () => {
    const client = await discover(undefined);
    const pending = await client.authorizationUrl({ clientId, dpopProver: prover, redirectUri, scope, pushed: false });
    const callback = new URL(await authorizeInBrowser(pending.url, redirectUri));
    expect(callback.searchParams.get("error_description")).toBe("Pushed Authorization Request must be used");
  });
});

describe("the profile fapi2-message-signing", () => {
  it("logs a user in by a signed request and a signed response", async () => {
    const client = await discover("fapi2-message-signing");
    const agent = { clientId: "signing-agent", dpopProver: prover };
    const login = { redirectUri, scope, requestObject: { signer }, extra: { prompt: "consent" } };
    const pending = await client.authorizationUrl({ ...agent, ...login });
    expect(pending.responseMode).toBe("jwt");
    const form = formsTo("/oauth/par").at(-1);
    expect([...(form?.keys() ?? [])]).toEqual(["client_assertion_type", "client_assertion", "request"]);
    const request = form?.get("request") ?? "";
    expect(decodeProtectedHeader(request).typ).toBe("oauth-authz-req+jwt");
    const { aud, nbf = 0, exp = 0, response_mode } = decodeJwt(request);
    expect({ aud, response_mode }).toEqual({ aud: as.issuer, response_mode: "jwt" });
    expect(exp - nbf).toBeLessThanOrEqual(3600);

    const callback = await authorizeInBrowser(pending.url, redirectUri);
    expect([...new URL(callback).searchParams.keys()]).toEqual(["response"]);
    const token = await client.authorizationCode(callback, { ...agent, ...pending });
    expect(token.cnfJkt).toBe(prover.jkt);
  });

  it("rejects a response that isn't signed", async () => {
    const client = await discover("fapi2-message-signing");
    const callback = `${redirectUri}?code=c&state=s&iss=${encodeURIComponent(as.issuer)}`;
    const pending = { redirectUri, state: "s", codeVerifier: "v".repeat(43) };
    const request = client.authorizationCode(callback, { clientId, dpopProver: prover, ...pending });
    await expect(request).rejects.toMatchObject({
      code: "invalid-response",
      message: expect.stringContaining("isn't signed, but the response mode is jwt"),
    });
  });
});
