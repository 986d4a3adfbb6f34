/** Every grant with oidc-provider and each kind of key. openid-client gets equal tokens from the same server. */
import { DPoPProver, OAuthClient, type Signer, type Token } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint, decodeJwt, exportJWK, SignJWT } from "jose";
import * as openid from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser, confirmDevice } from "../../servers/browser.js";

const redirectUri = "http://127.0.0.1/callback";
const jwtAgent = "jwt-agent";

let hsm: SoftHsm;
let as: AuthorizationServer;
let openidKeys: Awaited<ReturnType<typeof openid.randomDPoPKeyPair>>;
const signers: Record<string, Signer> = {};
beforeAll(async () => {
  hsm = await softHsm({ label: "grants" });
  signers.memory = MemorySigner.generate();
  signers.SoftHSM = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  openidKeys = await openid.randomDPoPKeyPair("ES256");
  const clients = await Promise.all(Object.entries(signers).map(([kind, signer]) => registration(kind, signer)));
  as = await authorizationServer({ clients });
});
afterAll(async () => {
  for (const signer of Object.values(signers)) await signer.close();
  await Promise.all([as.close(), hsm.close()]);
});

async function registration(kind: string, signer: Signer) {
  const jwk = await signer.publicJwk();
  const openidJwk = { ...(await exportJWK(openidKeys.publicKey)), kid: "openid" };
  return {
    ...confidential,
    client_id: `${jwtAgent}:${kind}`,
    token_endpoint_auth_method: "private_key_jwt" as const,
    token_endpoint_auth_signing_alg: "ES256" as const,
    jwks: { keys: [{ ...jwk, kid: await calculateJwkThumbprint(jwk), alg: "ES256", use: "sig" }, openidJwk] },
  };
}

function openidClient(clientId: string, auth: openid.ClientAuth): Promise<openid.Configuration> {
  const options = { execute: [openid.allowInsecureRequests], algorithm: "oauth2" as const };
  return openid.discovery(new URL(as.issuer), clientId, undefined, auth, options);
}

/** What tokens of the same grant have in common. */
function shape(accessToken: string, fields: { scope?: unknown; tokenType: string; refreshable: boolean }) {
  const { jti: _, iat = 0, exp = 0, cnf: __, ...claims } = decodeJwt(accessToken);
  return { ...claims, seconds: exp - iat, ...fields, tokenType: fields.tokenType.toLowerCase() };
}
const shapeOfToken = ({ accessToken, scope, tokenType, refreshToken }: Token) =>
  shape(accessToken, { scope, tokenType, refreshable: refreshToken !== null });
const shapeOfResponse = ({ access_token, scope, token_type, refresh_token }: openid.TokenEndpointResponse) =>
  shape(access_token, { scope, tokenType: token_type, refreshable: refresh_token !== undefined });

describe.each(["memory", "SoftHSM"])("with a %s key", (kind) => {
  let prover: DPoPProver;
  let client: OAuthClient;
  let openidConfig: openid.Configuration;
  let DPoP: openid.DPoPHandle;
  beforeAll(async () => {
    prover = await DPoPProver.create(signers[kind] ?? expect.unreachable());
    client = await OAuthClient.discover(as.issuer, { requireBinding: true });
    const { clientId, clientSecret } = as.client;
    openidConfig = await openidClient(clientId, openid.ClientSecretPost(clientSecret));
    DPoP = openid.getDPoPHandle(openidConfig, await openid.randomDPoPKeyPair("ES256"));
  });
  const openidByJwt = () =>
    openidClient(`${jwtAgent}:${kind}`, openid.PrivateKeyJwt({ key: openidKeys.privateKey, kid: "openid" }));
  const agent = () => ({ ...as.client, dpopProver: prover });

  it("gets a token by client credentials (RFC 6749 §4.4) for a resource (RFC 8707)", async () => {
    const resource = "https://other.example/api";
    const token = await client.clientCredentials({ ...agent(), scope: "read", resource });
    expect(decodeJwt(token.accessToken)).toMatchObject({ aud: resource, scope: "read", cnf: { jkt: prover.jkt } });
    const openidResponse = await openid.clientCredentialsGrant(openidConfig, { scope: "read", resource }, { DPoP });
    expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
  });

  it.each([false, true])(
    "gets a token by authorization code with PKCE and dpop_jkt (RFC 9449 §10), pushed: %s",
    async (pushed) => {
      const pending = await client.authorizationUrl({ ...agent(), redirectUri, scope: "read write", pushed });
      const names = [...new URL(pending.url).searchParams.keys()];
      if (pushed) expect(names).toEqual(["client_id", "request_uri"]);
      else expect(new URL(pending.url).searchParams.get("dpop_jkt")).toBe(prover.jkt);
      const callback = await authorizeInBrowser(pending.url, redirectUri);
      const token = await client.authorizationCode(callback, { ...agent(), ...pending });
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
        ? await openid.buildAuthorizationUrlWithPAR(openidConfig, parameters, { DPoP })
        : openid.buildAuthorizationUrl(openidConfig, parameters);
      const back = new URL(await authorizeInBrowser(url.href, redirectUri));
      const checks = { pkceCodeVerifier: codeVerifier };
      const openidResponse = await openid.authorizationCodeGrant(openidConfig, back, checks, undefined, { DPoP });
      expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
    },
  );

  it("pushes a request with client_id in the form even with client_secret_basic (RFC 9126 §2.1)", async () => {
    const byBasic = await OAuthClient.discover(as.issuer, { clientAuth: "client_secret_basic" });
    const request = { ...as.clients.basic, dpopProver: prover, redirectUri, scope: "read" };
    const pending = await byBasic.authorizationUrl({ ...request, pushed: true });
    expect(new URLSearchParams(as.requests.at(-1)?.body).get("client_id")).toBe(as.clients.basic.clientId);
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    expect((await byBasic.authorizationCode(callback, { ...request, ...pending })).cnfJkt).toBe(prover.jkt);
  });

  it("can't exchange a code with a different key", async () => {
    const pending = await client.authorizationUrl({ ...agent(), redirectUri, scope: "read" });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const thief = { ...agent(), ...pending, dpopProver: await DPoPProver.generate() };
    await expect(client.authorizationCode(callback, thief)).rejects.toMatchObject({ error: "invalid_grant" });
  });

  it("throws the server's error if the user refuses the authorization request", async () => {
    const pending = await client.authorizationUrl({ ...agent(), redirectUri, scope: "read" });
    const callback = await authorizeInBrowser(pending.url, redirectUri, { answer: "no" });
    const request = client.authorizationCode(callback, { ...agent(), ...pending });
    await expect(request).rejects.toMatchObject({
      code: "refused",
      error: "access_denied",
      errorDescription: "refused by the user",
    });
  });

  it("refreshes with rotation as a public client, only with the same key (RFC 6749 §6, RFC 9449 §5)", async () => {
    const publicAgent = { ...as.clients.public, dpopProver: prover };
    const pending = await client.authorizationUrl({ ...publicAgent, redirectUri, scope: "read write" });
    const first = await client.authorizationCode(await authorizeInBrowser(pending.url, redirectUri), {
      ...publicAgent,
      ...pending,
    });
    const refreshToken = first.refreshToken ?? expect.unreachable();
    const thief = { ...publicAgent, dpopProver: await DPoPProver.generate(), refreshToken };
    await expect(client.refresh(thief)).rejects.toMatchObject({ error: "invalid_grant" });

    const second = await client.refresh({ ...publicAgent, refreshToken, scope: "read" });
    expect(second).toMatchObject({ scope: "read", cnfJkt: prover.jkt });
    expect(second.refreshToken).not.toBe(refreshToken);
    await client.refresh({ ...publicAgent, refreshToken: second.refreshToken ?? "" });
  });

  it("gets the same refreshed token as openid-client", async () => {
    const refreshToken = async () => {
      const pending = await client.authorizationUrl({ ...agent(), redirectUri, scope: "read write" });
      const callback = await authorizeInBrowser(pending.url, redirectUri);
      const token = await client.authorizationCode(callback, { ...agent(), ...pending });
      return token.refreshToken ?? expect.unreachable();
    };
    const token = await client.refresh({ ...agent(), refreshToken: await refreshToken() });
    const openidResponse = await openid.refreshTokenGrant(openidConfig, await refreshToken(), {}, { DPoP });
    expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
  });

  it("gets a token by device authorization (RFC 8628)", async () => {
    const pollingClient = await OAuthClient.discover(as.issuer, {
      fetch: fetchWithShortInterval,
      requireBinding: true,
    });
    const token = await pollingClient.deviceCode({
      ...agent(),
      scope: "read",
      show: async ({ verificationUri, userCode }) => {
        setTimeout(() => confirmDevice(verificationUri, userCode), 100);
      },
    });
    expect(decodeJwt(token.accessToken)).toMatchObject({ sub: "alice", cnf: { jkt: prover.jkt } });

    const device = await openid.initiateDeviceAuthorization(openidConfig, { scope: "read" });
    await confirmDevice(device.verification_uri, device.user_code);
    const openidResponse = await openid.pollDeviceAuthorizationGrant(
      openidConfig,
      { ...device, interval: 0.05 },
      undefined,
      { DPoP },
    );
    expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
  });

  it("throws the server's error if the user refuses the device authorization", async () => {
    const pollingClient = await OAuthClient.discover(as.issuer, { fetch: fetchWithShortInterval });
    const show = (code: { verificationUri: string; userCode: string }) =>
      confirmDevice(code.verificationUri, code.userCode, { answer: "no" });
    await expect(pollingClient.deviceCode({ ...agent(), show })).rejects.toMatchObject({
      code: "refused",
      error: "access_denied",
    });
  });

  it("exchanges a token with an actor and a different audience (RFC 8693)", async () => {
    const subject = await client.clientCredentials({ ...agent(), scope: "read write" });
    const actor = await client.clientCredentials({ ...agent(), ...as.clients.post, scope: "read" });
    const audience = "https://downstream.example/";
    const request = { subjectToken: subject.accessToken, actorToken: actor.accessToken, audience, scope: "read" };
    const token = await client.exchangeToken({ ...agent(), ...request });
    expect(decodeJwt(token.accessToken)).toMatchObject({
      aud: audience,
      scope: "read",
      for: as.client.clientId,
      act: { client_id: as.client.clientId },
      cnf: { jkt: prover.jkt },
    });
    expect(token.actors).toEqual([expect.objectContaining({ client_id: as.client.clientId })]);
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
    const openidResponse = await openid.genericGrantRequest(openidConfig, grant, parameters, { DPoP });
    expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
  });

  it("exchanges a token for several resources (RFC 8707 §2)", async () => {
    const { accessToken: subjectToken } = await client.clientCredentials({ ...agent(), scope: "read" });
    const resource = ["https://one.example/", "https://two.example/"];
    const token = await client.exchangeToken({ ...agent(), subjectToken, resource });
    expect(decodeJwt(token.accessToken).aud).toBe(resource[0]);
    expect(new URLSearchParams(as.requests.at(-1)?.body).getAll("resource")).toEqual(resource);
  });

  it("gets a token by a JWT assertion (RFC 7523 §2.1) as a client with private_key_jwt (§2.2)", async () => {
    const signer = signers[kind] ?? expect.unreachable();
    const byJwt = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer } });
    const request = { clientId: `${jwtAgent}:${kind}`, dpopProver: prover, scope: "read" };
    const token = await byJwt.jwtBearer({ ...request, assertion: { signer, subject: "alice" } });
    expect(decodeJwt(token.accessToken)).toMatchObject({ for: "alice", cnf: { jkt: prover.jkt } });
    expect(as.requests.slice(-2).map(({ status }) => status)).toEqual([400, 200]);

    const assertion = new URLSearchParams(as.requests.at(-1)?.body).get("assertion") ?? "";
    await expect(byJwt.jwtBearer({ ...request, assertion })).rejects.toMatchObject({ error: "invalid_grant" });

    const openidAssertion = await new SignJWT({ jti: `once ${kind}` })
      .setProtectedHeader({ alg: "ES256", kid: "openid" })
      .setIssuer(request.clientId)
      .setSubject("alice")
      .setAudience(as.issuer)
      .setExpirationTime("1m")
      .sign(openidKeys.privateKey);
    const form = { assertion: openidAssertion, scope: "read" };
    const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    const openidResponse = await openid.genericGrantRequest(await openidByJwt(), grant, form, { DPoP });
    expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
  });

  it("gets the same token by private_key_jwt as openid-client", async () => {
    const signer = signers[kind] ?? expect.unreachable();
    const clientId = `${jwtAgent}:${kind}`;
    const byJwt = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer } });
    const token = await byJwt.clientCredentials({ clientId, dpopProver: prover, scope: "read" });
    const openidResponse = await openid.clientCredentialsGrant(await openidByJwt(), { scope: "read" }, { DPoP });
    expect(shapeOfToken(token)).toEqual(shapeOfResponse(openidResponse));
    expect(await byJwt.introspect({ clientId, token: "unknown-token" })).toEqual({ active: false });
  });

  it("introspects and revokes a token (RFC 7662, RFC 7009)", async () => {
    const pending = await client.authorizationUrl({ ...agent(), redirectUri, scope: "read write" });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const { refreshToken } = await client.authorizationCode(callback, { ...agent(), ...pending });
    const request = { ...as.client, token: refreshToken ?? expect.unreachable() };
    const introspection = await client.introspect({ ...request, tokenTypeHint: "refresh_token" });
    expect(introspection).toMatchObject({ active: true, client_id: as.client.clientId, sub: "alice" });
    expect(introspection).toEqual(await openid.tokenIntrospection(openidConfig, request.token));
    await client.revoke(request);
    expect(await client.introspect(request)).toEqual({ active: false });
    await client.revoke({ ...request, token: "unknown-token" });
  });
});

/** oidc-provider doesn't return an interval, and the default is five seconds. */
const fetchWithShortInterval: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (!String(input).endsWith("/oauth/device")) return response;
  return Response.json(Object.assign(Object(await response.json()), { interval: 1 }), { status: response.status });
};
