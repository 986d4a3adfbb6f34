/** Every grant with oidc-provider, found by discovery, with each kind of key; openid-client gets the same tokens. */
import { DPoPProver, OAuthClient, type Signer, type Token } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { calculateJwkThumbprint, decodeJwt, exportJWK, SignJWT } from "jose";
import * as openid from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SoftHsm, softHsm } from "../../../softhsm/index.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser, confirmDevice } from "../../servers/browser.js";

const redirectUri = "http://127.0.0.1/callback";
const jwtAgent = "jwt-agent";

let hsm: SoftHsm;
let as: AuthorizationServer;
let theirKeys: Awaited<ReturnType<typeof openid.randomDPoPKeyPair>>;
const signers: Record<string, Signer> = {};
beforeAll(async () => {
  hsm = await softHsm({ label: "grants" });
  signers.memory = MemorySigner.generate();
  signers.SoftHSM = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  theirKeys = await openid.randomDPoPKeyPair("ES256");
  const clients = await Promise.all(Object.entries(signers).map(([kind, signer]) => registration(kind, signer)));
  as = await authorizationServer({ clients });
});
afterAll(async () => {
  for (const signer of Object.values(signers)) await signer.close();
  await Promise.all([as.close(), hsm.close()]);
});

async function registration(kind: string, signer: Signer) {
  const jwk = await signer.publicJwk();
  const theirJwk = { ...(await exportJWK(theirKeys.publicKey)), kid: "theirs" };
  return {
    ...confidential,
    client_id: `${jwtAgent}:${kind}`,
    token_endpoint_auth_method: "private_key_jwt" as const,
    token_endpoint_auth_signing_alg: "ES256" as const,
    jwks: { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk), alg: "ES256", use: "sig" }, theirJwk] },
  };
}

function openidClient(clientId: string, auth: openid.ClientAuth): Promise<openid.Configuration> {
  const options = { execute: [openid.allowInsecureRequests], algorithm: "oauth2" as const };
  return openid.discovery(new URL(as.issuer), clientId, undefined, auth, options);
}

/** What two tokens for the same thing have in common. */
function shape(accessToken: string, more: { scope?: unknown; tokenType: string; refreshable: boolean }) {
  const { jti: _, iat = 0, exp = 0, cnf: __, ...claims } = decodeJwt(accessToken);
  return { ...claims, seconds: exp - iat, ...more, tokenType: more.tokenType.toLowerCase() };
}
const ofOurs = ({ accessToken, scope, tokenType, refreshToken }: Token) =>
  shape(accessToken, { scope, tokenType, refreshable: refreshToken !== null });
const ofTheirs = ({ access_token, scope, token_type, refresh_token }: openid.TokenEndpointResponse) =>
  shape(access_token, { scope, tokenType: token_type, refreshable: refresh_token !== undefined });

describe.each(["memory", "SoftHSM"])("with a %s key", (kind) => {
  let prover: DPoPProver;
  let client: OAuthClient;
  let theirs: openid.Configuration;
  let DPoP: openid.DPoPHandle;
  beforeAll(async () => {
    prover = await DPoPProver.create(signers[kind] ?? expect.unreachable());
    client = await OAuthClient.discover(as.issuer, { requireBinding: true });
    const { clientId, clientSecret } = as.client;
    theirs = await openidClient(clientId, openid.ClientSecretPost(clientSecret));
    DPoP = openid.getDPoPHandle(theirs, await openid.randomDPoPKeyPair("ES256"));
  });
  const theirsByJwt = () =>
    openidClient(`${jwtAgent}:${kind}`, openid.PrivateKeyJwt({ key: theirKeys.privateKey, kid: "theirs" }));
  const mine = () => ({ ...as.client, dpopProver: prover });

  it("client credentials (RFC 6749 §4.4), for a resource (RFC 8707)", async () => {
    const resource = "https://other.example/api";
    const token = await client.clientCredentials({ ...mine(), scope: "read", resource });
    expect(decodeJwt(token.accessToken)).toMatchObject({ aud: resource, scope: "read", cnf: { jkt: prover.jkt } });
    const their = await openid.clientCredentialsGrant(theirs, { scope: "read", resource }, { DPoP });
    expect(ofOurs(token)).toEqual(ofTheirs(their));
  });

  it.each([false, true])("authorization code with PKCE and dpop_jkt (RFC 9449 §10), pushed: %s", async (pushed) => {
    const pending = await client.authorizationUrl({ ...mine(), redirectUri, scope: "read write", pushed });
    const shown = [...new URL(pending.url).searchParams.keys()];
    if (pushed) expect(shown).toEqual(["client_id", "request_uri"]);
    else expect(new URL(pending.url).searchParams.get("dpop_jkt")).toBe(prover.jkt);
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const token = await client.authorizationCode(callback, { ...mine(), ...pending });
    expect(decodeJwt(token.accessToken)).toMatchObject({ sub: "alice", cnf: { jkt: prover.jkt } });

    const codeVerifier = openid.randomPKCECodeVerifier();
    const code_challenge = await openid.calculatePKCECodeChallenge(codeVerifier);
    const parameters = {
      redirect_uri: redirectUri,
      scope: "read write",
      code_challenge,
      code_challenge_method: "S256",
    };
    const url = pushed
      ? await openid.buildAuthorizationUrlWithPAR(theirs, parameters, { DPoP })
      : openid.buildAuthorizationUrl(theirs, parameters);
    const back = new URL(await authorizeInBrowser(url.href, redirectUri));
    const checks = { pkceCodeVerifier: codeVerifier };
    const their = await openid.authorizationCodeGrant(theirs, back, checks, undefined, { DPoP });
    expect(ofOurs(token)).toEqual(ofTheirs(their));
  });

  it("pushes with the client's id in the form, though it authenticates by Basic (RFC 9126 §2.1)", async () => {
    const byBasic = await OAuthClient.discover(as.issuer, { clientAuth: "client_secret_basic" });
    const request = { ...as.clients.basic, dpopProver: prover, redirectUri, scope: "read" };
    const pending = await byBasic.authorizationUrl({ ...request, pushed: true });
    expect(new URLSearchParams(as.requests.at(-1)?.body).get("client_id")).toBe(as.clients.basic.clientId);
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    expect((await byBasic.authorizationCode(callback, { ...request, ...pending })).cnfJkt).toBe(prover.jkt);
  });

  it("a code that was asked for with one key is no good with another", async () => {
    const pending = await client.authorizationUrl({ ...mine(), redirectUri, scope: "read" });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const thief = { ...mine(), ...pending, dpopProver: await DPoPProver.generate() };
    await expect(client.authorizationCode(callback, thief)).rejects.toMatchObject({ error: "invalid_grant" });
  });

  it("a no is an error with the server's words", async () => {
    const pending = await client.authorizationUrl({ ...mine(), redirectUri, scope: "read" });
    const callback = await authorizeInBrowser(pending.url, redirectUri, { answer: "no" });
    const asking = client.authorizationCode(callback, { ...mine(), ...pending });
    await expect(asking).rejects.toMatchObject({
      code: "refused",
      error: "access_denied",
      errorDescription: "said no",
    });
  });

  it("refresh (RFC 6749 §6) with rotation, for a public client bound to the same key (RFC 9449 §5)", async () => {
    const open = { ...as.clients.public, dpopProver: prover };
    const pending = await client.authorizationUrl({ ...open, redirectUri, scope: "read write" });
    const first = await client.authorizationCode(await authorizeInBrowser(pending.url, redirectUri), {
      ...open,
      ...pending,
    });
    const refreshToken = first.refreshToken ?? expect.unreachable();
    const thief = { ...open, dpopProver: await DPoPProver.generate(), refreshToken };
    await expect(client.refresh(thief)).rejects.toMatchObject({ error: "invalid_grant" });

    const second = await client.refresh({ ...open, refreshToken, scope: "read" });
    expect(second).toMatchObject({ scope: "read", cnfJkt: prover.jkt });
    expect(second.refreshToken).not.toBe(refreshToken);
    await client.refresh({ ...open, refreshToken: second.refreshToken ?? "" });
  });

  it("refresh gets the same as openid-client", async () => {
    const code = async () => {
      const pending = await client.authorizationUrl({ ...mine(), redirectUri, scope: "read write" });
      const callback = await authorizeInBrowser(pending.url, redirectUri);
      const token = await client.authorizationCode(callback, { ...mine(), ...pending });
      return token.refreshToken ?? expect.unreachable();
    };
    const ours = await client.refresh({ ...mine(), refreshToken: await code() });
    const their = await openid.refreshTokenGrant(theirs, await code(), {}, { DPoP });
    expect(ofOurs(ours)).toEqual(ofTheirs(their));
  });

  it("device authorization (RFC 8628), by a code that is shown", async () => {
    const quick = await OAuthClient.discover(as.issuer, { fetch: often, requireBinding: true });
    const token = await quick.deviceCode({
      ...mine(),
      scope: "read",
      show: async ({ verificationUri, userCode }) => {
        setTimeout(() => confirmDevice(verificationUri, userCode), 100);
      },
    });
    expect(decodeJwt(token.accessToken)).toMatchObject({ sub: "alice", cnf: { jkt: prover.jkt } });

    const device = await openid.initiateDeviceAuthorization(theirs, { scope: "read" });
    await confirmDevice(device.verification_uri, device.user_code);
    const their = await openid.pollDeviceAuthorizationGrant(theirs, { ...device, interval: 0.05 }, undefined, { DPoP });
    expect(ofOurs(token)).toEqual(ofTheirs(their));
  });

  it("device authorization that somebody refuses", async () => {
    const quick = await OAuthClient.discover(as.issuer, { fetch: often });
    const show = (code: { verificationUri: string; userCode: string }) =>
      confirmDevice(code.verificationUri, code.userCode, { answer: "no" });
    await expect(quick.deviceCode({ ...mine(), show })).rejects.toMatchObject({
      code: "refused",
      error: "access_denied",
    });
  });

  it("token exchange (RFC 8693): acting for somebody, elsewhere", async () => {
    const subject = await client.clientCredentials({ ...mine(), scope: "read write" });
    const actor = await client.clientCredentials({ ...mine(), ...as.clients.post, scope: "read" });
    const audience = "https://downstream.example/";
    const wanted = { subjectToken: subject.accessToken, actorToken: actor.accessToken, audience, scope: "read" };
    const token = await client.exchangeToken({ ...mine(), ...wanted });
    expect(decodeJwt(token.accessToken)).toMatchObject({
      aud: audience,
      scope: "read",
      for: as.client.clientId,
      act: { client_id: as.client.clientId },
      cnf: { jkt: prover.jkt },
    });
    const type = "urn:ietf:params:oauth:token-type:access_token";
    const parameters = {
      subject_token: subject.accessToken,
      subject_token_type: type,
      actor_token: actor.accessToken,
      actor_token_type: type,
      requested_token_type: type,
      audience,
      scope: "read",
    };
    const grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    const their = await openid.genericGrantRequest(theirs, grant, parameters, { DPoP });
    expect(ofOurs(token)).toEqual(ofTheirs(their));
  });

  it("token exchange for resources, of which there may be several (RFC 8707 §2)", async () => {
    const { accessToken: subjectToken } = await client.clientCredentials({ ...mine(), scope: "read" });
    const resource = ["https://one.example/", "https://two.example/"];
    const token = await client.exchangeToken({ ...mine(), subjectToken, resource });
    expect(decodeJwt(token.accessToken).aud).toBe(resource[0]);
    expect(new URLSearchParams(as.requests.at(-1)?.body).getAll("resource")).toEqual(resource);
  });

  it("JWT bearer (RFC 7523 §2.1), signed by the key, and a client that authenticates by one too (§2.2)", async () => {
    const signer = signers[kind] ?? expect.unreachable();
    const byJwt = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer } });
    const request = { clientId: `${jwtAgent}:${kind}`, dpopProver: prover, scope: "read" };
    const token = await byJwt.jwtBearer({ ...request, assertion: { signer, subject: "alice" } });
    expect(decodeJwt(token.accessToken)).toMatchObject({ for: "alice", cnf: { jkt: prover.jkt } });
    expect(as.requests.slice(-2).map(({ status }) => status)).toEqual([400, 200]);

    const assertion = new URLSearchParams(as.requests.at(-1)?.body).get("assertion") ?? "";
    await expect(byJwt.jwtBearer({ ...request, assertion })).rejects.toMatchObject({ error: "invalid_grant" });

    const theirAssertion = await new SignJWT({ jti: `once ${kind}` })
      .setProtectedHeader({ alg: "ES256", kid: "theirs" })
      .setIssuer(request.clientId)
      .setSubject("alice")
      .setAudience(as.issuer)
      .setExpirationTime("1m")
      .sign(theirKeys.privateKey);
    const form = { assertion: theirAssertion, scope: "read" };
    const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    const their = await openid.genericGrantRequest(await theirsByJwt(), grant, form, { DPoP });
    expect(ofOurs(token)).toEqual(ofTheirs(their));
  });

  it("private_key_jwt gets the same as openid-client", async () => {
    const signer = signers[kind] ?? expect.unreachable();
    const clientId = `${jwtAgent}:${kind}`;
    const byJwt = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer } });
    const ours = await byJwt.clientCredentials({ clientId, dpopProver: prover, scope: "read" });
    const their = await openid.clientCredentialsGrant(await theirsByJwt(), { scope: "read" }, { DPoP });
    expect(ofOurs(ours)).toEqual(ofTheirs(their));
    expect(await byJwt.introspect({ clientId, token: "never-heard-of" })).toEqual({ active: false });
  });

  it("revocation (RFC 7009) and introspection (RFC 7662)", async () => {
    const pending = await client.authorizationUrl({ ...mine(), redirectUri, scope: "read write" });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const { refreshToken } = await client.authorizationCode(callback, { ...mine(), ...pending });
    const request = { ...as.client, token: refreshToken ?? expect.unreachable() };
    const known = await client.introspect({ ...request, tokenTypeHint: "refresh_token" });
    expect(known).toMatchObject({ active: true, client_id: as.client.clientId, sub: "alice" });
    expect(known).toEqual(await openid.tokenIntrospection(theirs, request.token));
    await client.revoke(request);
    expect(await client.introspect(request)).toEqual({ active: false });
    await client.revoke({ ...request, token: "never-heard-of" });
  });
});

/** oidc-provider never says how often to ask, which means every five seconds. */
const often: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (!String(input).endsWith("/oauth/device")) return response;
  return Response.json(Object.assign(Object(await response.json()), { interval: 1 }), { status: response.status });
};
