/** OpenID Connect with oidc-provider: ID tokens, signed responses, and request objects signed by a SoftHSM key. */
import { DPoPProver, OAuthClient, tokenSource } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint, decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser, confirmDevice, postedForm } from "../../servers/browser.js";

const redirectUri = "http://127.0.0.1/callback";
const scope = "openid offline_access read";
let hsm: SoftHsm;
let signer: Pkcs11Signer;
let as: AuthorizationServer;
let client: OAuthClient;
let prover: DPoPProver;
beforeAll(async () => {
  hsm = await softHsm({ label: "openid" });
  signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  const jwk = await signer.publicJwk();
  as = await authorizationServer({
    clients: [
      {
        ...confidential,
        client_id: "signing-agent",
        token_endpoint_auth_method: "private_key_jwt",
        request_object_signing_alg: "ES256",
        require_signed_request_object: true,
        jwks: { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk), use: "sig" }] },
      },
    ],
  });
  client = await OAuthClient.discover(as.issuer, { requireBinding: true });
  prover = await DPoPProver.generate();
});
afterAll(async () => {
  await signer.close();
  await Promise.all([as.close(), hsm.close()]);
});

const agent = () => ({ ...as.client, dpopProver: prover });
const login = { redirectUri, scope, extra: { prompt: "consent" } };

describe("an ID token", () => {
  it("of a login is verified, and that of a refresh, with another nonce challenge between them", async () => {
    const pending = await client.authorizationUrl({ ...agent(), ...login, maxAge: 300 });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    as.rotateNonces();
    const token = await client.authorizationCode(callback, { ...agent(), ...pending });
    const { idTokenClaims } = token;
    expect(idTokenClaims).toMatchObject({
      iss: as.issuer,
      sub: "alice",
      aud: as.client.clientId,
      nonce: pending.nonce,
      auth_time: expect.any(Number),
    });
    const refreshToken = token.refreshToken ?? expect.unreachable();
    const refreshed = await client.refresh({ ...agent(), refreshToken, idTokenClaims });
    expect(refreshed.idTokenClaims).toMatchObject({ sub: "alice" });
    expect(refreshed.raw.id_token).not.toBe(token.raw.id_token);
  });

  it("for another nonce is rejected", async () => {
    const pending = await client.authorizationUrl({ ...agent(), ...login });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const request = client.authorizationCode(callback, { ...agent(), ...pending, nonce: "another" });
    await expect(request).rejects.toMatchObject({
      code: "invalid-response",
      message: expect.stringContaining("wrong nonce"),
    });
  });

  it("of the device flow is verified", async () => {
    const device = await client.deviceAuthorization({ ...agent(), scope: "openid read" });
    await confirmDevice(device.verificationUri, device.userCode);
    expect((await device.token()).idTokenClaims).toMatchObject({ sub: "alice", iss: as.issuer });
  });

  it("of a token source is verified at each renewal", async () => {
    const pending = await client.authorizationUrl({ ...agent(), ...login });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const token = await client.authorizationCode(callback, { ...agent(), ...pending });
    const source = tokenSource({ ...as.client, client, prover, grantType: "refresh_token", token });
    const first = await source.token();
    const second = await source.renew(first);
    expect(second.idTokenClaims).toMatchObject({ sub: "alice" });
    expect(second.idTokenClaims).not.toBe(first.idTokenClaims);
    expect(second.raw.id_token).not.toBe(first.raw.id_token);
  });
});

describe("a signed authorization response (JARM)", () => {
  it.each(["jwt", "query.jwt", "fragment.jwt"])("is verified with the response mode %s", async (responseMode) => {
    const pending = await client.authorizationUrl({ ...agent(), ...login, responseMode });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    expect(callback).toMatch(/[?#]response=eyJ[^&]+$/);
    const token = await client.authorizationCode(callback, { ...agent(), ...pending });
    expect(token).toMatchObject({ cnfJkt: prover.jkt, idTokenClaims: { sub: "alice" } });
  });

  it.each(["form_post", "form_post.jwt"])("can be posted, as a plain one can: %s", async (responseMode) => {
    const pending = await client.authorizationUrl({ ...agent(), ...login, responseMode });
    const form = await postedForm(pending.url, redirectUri);
    expect(Object.keys(form).includes("response")).toBe(responseMode === "form_post.jwt");
    const token = await client.authorizationCode(form, { ...agent(), ...pending });
    expect(token.idTokenClaims).toMatchObject({ sub: "alice" });
  });

  it("contains the server's error if the user refuses", async () => {
    const pending = await client.authorizationUrl({ ...agent(), ...login, responseMode: "jwt" });
    const callback = await authorizeInBrowser(pending.url, redirectUri, { answer: "no" });
    expect(callback).not.toContain("access_denied");
    const request = client.authorizationCode(callback, { ...agent(), ...pending });
    await expect(request).rejects.toMatchObject({ code: "refused", error: "access_denied" });
  });

  it("for another request is rejected", async () => {
    const [one, two] = [
      await client.authorizationUrl({ ...agent(), ...login, responseMode: "jwt" }),
      await client.authorizationUrl({ ...agent(), ...login, responseMode: "jwt" }),
    ];
    const callback = await authorizeInBrowser(one.url, redirectUri);
    const request = client.authorizationCode(callback, { ...agent(), ...two });
    await expect(request).rejects.toMatchObject({
      code: "invalid-response",
      message: expect.stringContaining("doesn't have this request's state"),
    });
  });
});

describe("a request object signed by a SoftHSM key", () => {
  const signing = async () => {
    const auth = { clientAuth: { method: "private_key_jwt" as const, signer } };
    return {
      client: await OAuthClient.discover(as.issuer, auth),
      request: { clientId: "signing-agent", dpopProver: await DPoPProver.create(signer), requestObject: { signer } },
    };
  };

  it.each([false, true])("is accepted, pushed: %s, with a signed response", async (pushed) => {
    const { client: byKey, request } = await signing();
    as.rotateNonces();
    const pending = await byKey.authorizationUrl({ ...request, ...login, pushed, responseMode: "jwt" });
    const names = pushed ? ["client_id", "request_uri"] : ["client_id", "response_type", "scope", "request"];
    expect([...new URL(pending.url).searchParams.keys()]).toEqual(names);
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const token = await byKey.authorizationCode(callback, { ...request, ...pending });
    expect(token).toMatchObject({ cnfJkt: request.dpopProver.jkt, idTokenClaims: { nonce: pending.nonce } });
    expect(decodeJwt(token.accessToken)).toMatchObject({ sub: "alice", scope: "read" });
  });

  it("is required by this client, so a plain request is refused", async () => {
    const { client: byKey, request } = await signing();
    const plain = byKey.authorizationUrl({ ...request, ...login, requestObject: undefined, pushed: true });
    await expect(plain).rejects.toMatchObject({ code: "refused", error: "invalid_request" });
  });

  it("by another key is refused", async () => {
    const { client: byKey, request } = await signing();
    const requestObject = { signer: prover.signer, keyId: request.dpopProver.jkt };
    const forged = byKey.authorizationUrl({ ...request, ...login, requestObject, pushed: true });
    await expect(forged).rejects.toMatchObject({ code: "refused", error: "invalid_request_object" });
  });
});
