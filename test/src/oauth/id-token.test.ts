/** ID tokens: each check with an ID token in which only that one thing is wrong (OpenID Connect Core §3.1.3.7, §12.2). */
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  DPoPProver,
  memoryTokenStore,
  type OAuthClient,
  type OAuthError,
  type Token,
  type TokenStore,
  tokenSource,
} from "hardproof";
import { UnsecuredJWT } from "jose";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { hasMlDsa } from "../../../testing/emulators/ml-dsa.js";
import { clientId, openIdClient } from "../../servers/openid-client.js";
import { providerKey } from "../../servers/stub-openid.js";
import { json } from "../../servers/stub-server.js";

const redirectUri = "https://app.example.com/callback";
/** An example of OpenID Connect Core, Appendix A.3, which also has its hash. */
const accessToken = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
const { server, prover, key, reset, agent, clientOf } = await openIdClient(() => ({
  id_token_signing_alg_values_supported: ["ES256"],
}));
beforeEach(reset);
afterAll(() => server.close());

const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

const seconds = () => Math.floor(Date.now() / 1000);
const hashOf = (algorithm: string, bytes: number, options = {}) =>
  createHash(algorithm, options).update(accessToken).digest().subarray(0, bytes).toString("base64url");
const hashes = new Map([
  ["ES384", hashOf("sha384", 24)],
  ["ES512", hashOf("sha512", 32)],
  ["EdDSA", hashOf("sha512", 32)],
  ["PS256", hashOf("sha256", 16)],
  ...(hasMlDsa ? [["ML-DSA-44", hashOf("shake256", 32, { outputLength: 64 })] as const] : []),
]);
const claimsOf = (more: object = {}) => ({
  iss: server.origin,
  sub: "alice",
  aud: clientId,
  exp: seconds() + 300,
  iat: seconds(),
  nonce: "the-nonce",
  at_hash: "77QmUPtjPfzWtF2AnpK9RQ",
  ...more,
});
const respondWith = (id_token: unknown) => server.respondToToken({ access_token: accessToken, id_token });

const pending = { redirectUri, state: "the-state", codeVerifier: "v".repeat(43), nonce: "the-nonce" };
const login = (client = clientOf(), more: object = {}) =>
  client.authorizationCode(`${redirectUri}?code=c&state=the-state`, { ...agent(), ...pending, ...more });
const loginWith = async (claims: object, more: object = {}) => {
  respondWith(await key.sign(claimsOf(claims)));
  return login(clientOf(), more);
};

describe("the claims of an ID token", () => {
  it("are returned with the token, of which inspect shows only the user", async () => {
    const token = await loginWith({ acr: "gold", email: "alice@example.com" });
    expect(token.idTokenClaims).toMatchObject({ sub: "alice", acr: "gold", email: "alice@example.com" });
    expect(inspect(token, { depth: 10 })).toContain("sub: 'alice'");
    expect(inspect(token, { depth: 10 })).not.toMatch(/gold|example\.com|the-nonce|eyJ/);
    expect(JSON.parse(JSON.stringify(token))).toMatchObject({ idTokenClaims: { sub: "alice" } });
  });

  it("are null if the client isn't asked for an ID token, and gets none", async () => {
    server.respondToToken({ access_token: accessToken });
    expect((await login(clientOf(), { nonce: undefined })).idTokenClaims).toBeNull();
    expect(server.paths()).toEqual(["/token"]);
  });

  it.each([
    ["one audience in an array", { aud: [clientId] }],
    ["the client as azp", { azp: clientId }],
    ["no at_hash", { at_hash: undefined }],
    ["a clock that is half a minute fast", { iat: seconds() + 30 }],
    ["a lifetime that ended half a minute ago", { exp: seconds() - 30 }],
    ["an auth_time, which isn't asked for", { auth_time: 1 }],
  ])("may have %s", async (_, claims) => {
    expect((await loginWith(claims)).idTokenClaims).toMatchObject({ sub: "alice" });
  });

  const wrong: [claim: string, title: string, claims: object, expected: RegExp][] = [
    ["iss", "another issuer", { iss: "https://evil.example" }, /wrong iss: expected http:\/\/127\.0\.0\.1:\d+\. /],
    ["iss", "no issuer", { iss: undefined }, /lacks iss/],
    ["aud", "another audience", { aud: "another" }, /wrong aud: expected my-agent\./],
    ["aud", "no audience", { aud: undefined }, /lacks aud/],
    [
      "aud",
      "a foreign audience besides the client",
      { aud: [clientId, "s3cret"] },
      /wrong aud: expected only my-agent/,
    ],
    ["azp", "another client as azp", { azp: "s3cret" }, /wrong azp: expected my-agent/],
    ["exp", "a lifetime that has ended", { exp: seconds() - 90 }, /wrong exp: expected a time in the future/],
    ["exp", "no end of its lifetime", { exp: undefined }, /lacks exp/],
    ["exp", "an end of its lifetime that isn't a number", { exp: "9999999999" }, /wrong exp/],
    ["nbf", "a lifetime that hasn't begun", { nbf: seconds() + 300 }, /wrong nbf: expected a time in the past/],
    [
      "iat",
      "a time of issue in the future",
      { iat: seconds() + 300 },
      /wrong iat: expected a time in the last hour, by a clock that says 20/,
    ],
    [
      "iat",
      "a time of issue a week ago",
      { iat: seconds() - 604_800 },
      /wrong iat: expected a time in the last hour, by a clock that says 20/,
    ],
    ["iat", "no time of issue", { iat: undefined }, /lacks iat/],
    ["sub", "no user", { sub: undefined }, /lacks sub/],
    ["sub", "a user that isn't text", { sub: 5 }, /wrong sub: expected a non-empty string/],
    ["sub", "an empty user", { sub: "" }, /wrong sub: expected a non-empty string/],
    ["nonce", "another nonce", { nonce: "s3cret" }, /wrong nonce: expected that of the authorization request/],
    ["nonce", "no nonce", { nonce: undefined }, /wrong nonce: expected that of the authorization request/],
    ["at_hash", "the hash of another access token", { at_hash: "s3cret" }, /wrong at_hash: expected the hash of the/],
    ["auth_time", "an auth_time that isn't a number", { auth_time: "now" }, /wrong auth_time: expected a number/],
  ];
  it.each(wrong)("are rejected because of %s: %s", async (_, __, claims, expected) => {
    const error = await errorOf(loginWith(claims));
    expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response", statusCode: 200 });
    expect(error.message).toMatch(/^The ID token (has|lacks) /);
    expect(error.message).toMatch(expected);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cret|eyJ/);
  });

  it("must have an auth_time that is recent enough if maxAge was requested", async () => {
    const authTime = seconds() - 1000;
    await loginWith({ auth_time: authTime }, { maxAge: 1000 });
    const tooOld = await errorOf(loginWith({ auth_time: authTime }, { maxAge: 900 }));
    expect(tooOld.message).toContain("wrong auth_time: expected a time at most 900 seconds ago (max_age)");
    const missing = await errorOf(loginWith({}, { maxAge: 900 }));
    expect(missing.message).toContain("wrong auth_time: expected a number of seconds");
  });

  it("must not have a nonce if the authorization request didn't have one", async () => {
    const error = await errorOf(loginWith({}, { nonce: undefined }));
    expect(error.message).toContain("wrong nonce: expected none");
    await loginWith({ nonce: undefined }, { nonce: undefined });
  });

  it("are compared with the corrected clock", async () => {
    const late = await DPoPProver.generate();
    late.adjustClock(new Date(Date.now() + 400_000).toUTCString());
    const error = await errorOf(loginWith({ exp: seconds() + 300 }, { dpopProver: late }));
    expect(error.message).toContain("wrong exp");
    await loginWith({ exp: seconds() + 700, iat: seconds() + 400 }, { dpopProver: late });
  });
});

describe("the signature of an ID token", () => {
  it("must be by a key of the server", async () => {
    const another = await providerKey();
    respondWith(await another.sign(claimsOf()));
    const error = await errorOf(login());
    expect(error).toMatchObject({ code: "invalid-response", statusCode: 200 });
    expect(error.message).toMatch(/^The ID token isn't signed by the key in http:\S+\/jwks\. It was not accepted\.$/);
  });

  it("must be by a key whose kid the server publishes", async () => {
    const another = await providerKey("ES256", "key-2");
    respondWith(await another.sign(claimsOf()));
    expect((await errorOf(login())).message).toMatch(/signed with a key that http:\S+\/jwks doesn't contain/);
  });

  it("can be by any of the server's keys if neither they nor the ID token have a kid", async () => {
    const keys = await Promise.all([1, 2, 3].map(() => providerKey("ES256", "")));
    server.publish(...keys.map(({ jwk: { kid: _, ...jwk } }) => jwk));
    for (const { sign } of keys) {
      respondWith(await sign(claimsOf()));
      expect((await login()).idTokenClaims).toMatchObject({ sub: "alice" });
    }
    respondWith(await (await providerKey("ES256", "")).sign(claimsOf()));
    expect((await errorOf(login())).message).toContain("isn't signed by the key in");
  });

  it("must be by the algorithm that the client is registered for, even if the server lists others", async () => {
    const rsa = await providerKey("RS256", "rsa");
    server.publish(key.jwk, rsa.jwk);
    const metadata = { id_token_signing_alg_values_supported: ["RS256", "ES256"] };
    respondWith(await rsa.sign(claimsOf()));
    await login(clientOf(metadata));
    const error = await errorOf(login(clientOf(metadata, { idTokenSignedResponseAlg: "ES256" })));
    expect(error.message).toContain("is signed with RS256: expected ES256 (see the option idTokenSignedResponseAlg)");
  });

  it("must be by RS256 if the server doesn't list algorithms", async () => {
    const rsa = await providerKey("RS256", "rsa");
    server.publish(key.jwk, rsa.jwk);
    const client = () => clientOf({ id_token_signing_alg_values_supported: undefined });
    respondWith(await rsa.sign(claimsOf()));
    await login(client());
    respondWith(await key.sign(claimsOf()));
    expect((await errorOf(login(client()))).message).toContain("is signed with ES256: expected RS256");
  });

  it("must not be missing or by a shared secret, even if the server lists such algorithms", async () => {
    const metadata = { id_token_signing_alg_values_supported: ["none", "HS256", "ES256"] };
    const { SignJWT } = await import("jose");
    const secret = Buffer.from("the client's secret of 32 bytes!");
    const bySecret = await new SignJWT(claimsOf()).setProtectedHeader({ alg: "HS256" }).sign(secret);
    for (const [idToken, name] of [
      [new UnsecuredJWT(claimsOf()).encode(), "none"],
      [bySecret, "HS256"],
    ]) {
      respondWith(idToken);
      expect((await errorOf(login(clientOf(metadata)))).message).toContain(`is signed with ${name}: expected ES256 (`);
    }
  });

  it.each([...hashes])("can be by %s, whose hash is that of at_hash (§3.1.3.6)", async (alg, at_hash) => {
    const { jwk, sign } = await providerKey(alg);
    server.publish(jwk);
    const client = () => clientOf({ id_token_signing_alg_values_supported: [alg] });
    respondWith(await sign(claimsOf({ at_hash })));
    expect((await login(client())).idTokenClaims).toMatchObject({ sub: "alice" });
    respondWith(await sign(claimsOf({ at_hash: "x" })));
    expect((await errorOf(login(client()))).message).toContain("wrong at_hash");
  });

  it("isn't accepted with a header that must be understood (RFC 7515 §4.1.11)", async () => {
    const [, payload, signature] = (await key.sign(claimsOf())).split(".");
    const header = Buffer.from(JSON.stringify({ alg: "ES256", kid: "key-1", crit: ["s3cret"], s3cret: 1 }));
    respondWith([header.toString("base64url"), payload, signature].join("."));
    const error = await errorOf(login());
    expect(error.message).toBe("The ID token isn't a signed JWT. It was not accepted.");
  });

  it("can't be checked with a private or broken key, which is an error of the server", async () => {
    const { privateKey } = await (await import("jose")).generateKeyPair("ES256", { extractable: true });
    const privateJwk = { ...(await (await import("jose")).exportJWK(privateKey)), kid: "key-1" };
    respondWith(await key.sign(claimsOf()));
    for (const jwk of [privateJwk, { ...key.jwk, x: "AAAA" }, { ...key.jwk, y: String(key.jwk.x) }]) {
      server.publish(jwk);
      const error = await errorOf(login());
      expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response" });
      expect(error.message).toMatch(/^The ID token can't be verified/);
    }
  });
});

describe("a response", () => {
  it.each([
    ["is missing", undefined, "lacks an ID token, which the scope openid requires"],
    ["isn't text", { s3cret: 1 }, "The ID token isn't a string"],
    ["isn't a JWT", "s3cret", "isn't a signed JWT"],
    ["is encrypted", "eyJhbGciOiJSU0EtT0FFUCJ9.s3cret.a.b.c", "is encrypted. Register the client"],
    ["isn't a JSON object", null, "isn't a signed JWT"],
  ])("whose ID token %s is rejected", async (_, idToken, problem) => {
    const { CompactSign, generateKeyPair } = await import("jose");
    const { privateKey } = await generateKeyPair("ES256");
    const array = () =>
      new CompactSign(Buffer.from('["s3cret"]')).setProtectedHeader({ alg: "ES256" }).sign(privateKey);
    respondWith(idToken === null ? `${await array()}.` : idToken);
    const error = await errorOf(login());
    expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response", statusCode: 200 });
    expect(error.message).toContain(problem);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cret/);
  });

  it("with any text as its ID token is rejected with the same error, without that text", async () => {
    const client = clientOf();
    const part = fc.oneof(
      fc.string(),
      fc.json().map((text) => Buffer.from(text).toString("base64url")),
    );
    const jwt = fc.oneof(
      fc.string(),
      fc.array(part, { minLength: 2, maxLength: 6 }).map((parts) => parts.join(".")),
    );
    await fc.assert(
      fc.asyncProperty(jwt, async (text) => {
        respondWith(text);
        const error = await errorOf(login(client));
        expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response" });
        if (text.length > 30) expect(error.message).not.toContain(text);
      }),
      { numRuns: 50 },
    );
  });
});

describe("which grants check an ID token", () => {
  const bad = () => key.sign(claimsOf({ iss: "https://evil.example" }));
  const good = () => key.sign(claimsOf({ nonce: undefined }));

  it.each([
    ["authorization_code", undefined],
    ["refresh_token", undefined],
    ["urn:ietf:params:oauth:grant-type:device_code", undefined],
    ["urn:openid:params:grant-type:ciba", undefined],
    ["client_credentials", "read openid"],
    ["password", "openid"],
  ])("getTokenWithDPoP checks that of %s with the scope %s", async (grantType, scope) => {
    respondWith(await bad());
    const request = { ...agent(), grantType, scope };
    expect((await errorOf(clientOf().getTokenWithDPoP(request))).message).toContain("wrong iss");
    respondWith(await good());
    expect((await clientOf().getTokenWithDPoP(request)).idTokenClaims).toMatchObject({ sub: "alice" });
  });

  it("getTokenWithDPoP ignores it in other responses", async () => {
    respondWith(await bad());
    const token = await clientOf().clientCredentials({ ...agent(), scope: "read openids" });
    expect(token.idTokenClaims).toBeNull();
  });

  it("only a login with the scope openid requires one", async () => {
    server.respondToToken({ access_token: accessToken });
    const request = { ...agent(), scope: "openid" };
    const loginRequest = clientOf().getTokenWithDPoP({ ...request, grantType: "authorization_code" });
    expect((await errorOf(loginRequest)).message).toContain("lacks an ID token");
    await clientOf().getTokenWithDPoP({ ...request, grantType: "refresh_token" });
    await clientOf().clientCredentials(request);
  });

  it("the device flow requires one if its scope contains openid", async () => {
    server.respondToToken({
      access_token: accessToken,
      device_code: "d",
      user_code: "u",
      verification_uri: "https://auth.example.com/device",
      expires_in: 60,
      interval: 0,
    });
    const device = await clientOf().deviceAuthorization({ ...agent(), scope: "openid" });
    expect((await errorOf(device.token())).message).toContain("lacks an ID token");
    const withoutOpenId = await clientOf().deviceAuthorization({ ...agent(), scope: "read" });
    expect((await withoutOpenId.token()).accessToken).toBe(accessToken);
  });
});

describe("a refreshed ID token", () => {
  const previous = () => ({ ...claimsOf(), auth_time: 1000 });
  const refreshWith = async (claims: object, idTokenClaims: ReturnType<typeof previous> | null = previous()) => {
    respondWith(await key.sign(claimsOf(claims)));
    return clientOf().refresh({ ...agent(), refreshToken: "r", idTokenClaims });
  };

  it("may omit the nonce, or repeat it", async () => {
    expect((await refreshWith({ nonce: undefined })).idTokenClaims).toMatchObject({ sub: "alice" });
    expect((await refreshWith({ auth_time: 1000 })).idTokenClaims).toMatchObject({ nonce: "the-nonce" });
  });

  it.each([
    ["sub", { sub: "mallory" }, "wrong sub: expected the user of the ID token before"],
    ["nonce", { nonce: "another" }, "wrong nonce: expected that of the ID token before"],
    ["auth_time", { auth_time: 1001 }, "wrong auth_time: expected that of the ID token before"],
  ])("must not change %s (§12.2)", async (_, claims, problem) => {
    expect((await errorOf(refreshWith(claims))).message).toContain(problem);
    expect((await refreshWith(claims, null)).idTokenClaims).toMatchObject(claims);
  });

  it("must be for the user of the current token of a token source", async () => {
    server.respondToToken({ access_token: accessToken, refresh_token: "r", id_token: await key.sign(claimsOf()) });
    const token = await login();
    const source = tokenSource({ clientId, client: clientOf(), prover, grantType: "refresh_token", token });
    await source.token();
    respondWith(await key.sign(claimsOf({ sub: "mallory" })));
    expect((await errorOf(source.renew(token))).message).toContain("wrong sub");
  });

  it("must be for the user of a stored token, after a restart too", async () => {
    const store = memoryTokenStore();
    const sourceOf = (token?: Token) =>
      tokenSource({ clientId, client: clientOf(), prover, grantType: "refresh_token", store, ...(token && { token }) });
    server.respondToToken({ access_token: accessToken, refresh_token: "r", id_token: await key.sign(claimsOf()) });
    await sourceOf(await login()).token();
    const restarted = sourceOf();
    const stored = await restarted.token();
    expect(stored.idTokenClaims).toMatchObject({ sub: "alice" });
    respondWith(await key.sign(claimsOf({ sub: "mallory" })));
    expect((await errorOf(restarted.renew(stored))).message).toContain("wrong sub");
  });

  it("that is refused leaves the token store as it was, as does that of a first token", async () => {
    const calls: unknown[] = [];
    const store: TokenStore = {
      get: async () => undefined,
      set: async (_, { raw, refreshToken }) => void calls.push([raw.access_token, refreshToken]),
      del: async () => void calls.push("del"),
    };
    const options = { clientId, client: clientOf(), prover, store };
    server.respondToToken({ access_token: accessToken, refresh_token: "r", id_token: await key.sign(claimsOf()) });
    const source = tokenSource({ ...options, grantType: "refresh_token", token: await login() });
    const token = await source.token();
    expect(calls).toEqual([[accessToken, "r"]]);
    const id_token = await key.sign(claimsOf({ iss: "https://evil.example" }));
    server.respondToToken({ access_token: "refused", refresh_token: "refused", id_token });
    expect((await errorOf(source.renew(token))).message).toContain("wrong iss");
    const first = tokenSource({ ...options, grantType: "client_credentials", scope: "openid" });
    expect((await errorOf(first.token())).message).toContain("wrong iss");
    expect(calls).toEqual([[accessToken, "r"]]);
  });

  it("that can't be checked because the keys can't be fetched doesn't cost the new refresh token", async () => {
    const id_token = await key.sign(claimsOf());
    server.respondToToken({ access_token: accessToken, refresh_token: "new", id_token });
    const request = { ...agent(), refreshToken: "r" };
    server.respondToJwks(json(503, {}));
    const token = await clientOf().refresh(request);
    expect([token.refreshToken, token.idTokenClaims]).toEqual(["new", null]);
    const before = server.requests.length;
    expect(await errorOf(clientOf().refresh({ ...request, idTokenClaims: previous() }))).toMatchObject({
      statusCode: 503,
    });
    expect(server.requests.slice(before).filter(({ path }) => path.endsWith("/token"))).toEqual([]);
  });

  it("is optional: without one, the claims are those of the ID token before", async () => {
    server.respondToToken({ access_token: accessToken });
    const request = { ...agent(), refreshToken: "r" };
    const token = await clientOf().refresh({ ...request, idTokenClaims: previous() });
    expect(token).toMatchObject({ idTokenClaims: { sub: "alice" }, refreshToken: "r" });
    expect((await clientOf().refresh(request)).idTokenClaims).toBeNull();
  });
});

describe("a client that can't verify ID tokens", () => {
  const url = (client: OAuthClient, more: object = {}) =>
    client.authorizationUrl({ ...agent(), redirectUri, scope: "openid", ...more });

  it.each([
    ["without metadata", () => clientOf({}, { metadata: undefined, issuer: "https://auth.example.com" })],
    ["without a jwks_uri", () => clientOf({ jwks_uri: undefined })],
  ])("%s refuses to start a login with openid, and to send its code", async (_, create) => {
    const client = create();
    for (const request of [url(client), login(client)]) {
      const error = await errorOf(request);
      expect(error).toMatchObject({ code: "misconfigured" });
      expect(error.message).toContain("Use discover() or the option metadata");
    }
    expect(server.requests).toEqual([]);
  });

  it("because the server lists no suitable algorithm refuses to start a login, and to send its code", async () => {
    const client = clientOf({ id_token_signing_alg_values_supported: ["none", "HS256"] });
    for (const request of [url(client), login(client), client.deviceAuthorization({ ...agent(), scope: "openid" })])
      expect(await errorOf(request)).toMatchObject({
        code: "misconfigured",
        message: expect.stringContaining("id_token_signing_alg_values_supported"),
      });
    expect(server.requests).toEqual([]);
  });

  it("ignores an ID token that it didn't ask for", async () => {
    respondWith("anything");
    const client = clientOf({}, { metadata: undefined, endpoints: { token: "/token" } });
    const token = await client.refresh({ ...agent(), refreshToken: "r" });
    expect(token).toMatchObject({ idTokenClaims: null, raw: { id_token: "anything" } });
  });

  it.each(["none", "HS256", "RSA-OAEP", ""])("can't be created with the algorithm %j", (algorithm) => {
    for (const option of ["idTokenSignedResponseAlg", "authorizationSignedResponseAlg"])
      expect(() => clientOf({}, { [option]: algorithm })).toThrow(`${option} must be a signature algorithm`);
  });

  it("accepts only a jwks_uri that is https or loopback, and only text", async () => {
    const client = clientOf({ jwks_uri: "http://auth.example.com/jwks" });
    expect((await errorOf(url(client))).message).toContain("jwks_uri http://auth.example.com is not https");
    expect(() => clientOf({ jwks_uri: 5 })).toThrow("metadata.jwks_uri has the wrong type");
  });
});

describe("the authorization request with the scope openid", () => {
  it("has a nonce, which the pending authorization remembers even as JSON", async () => {
    const request = { ...agent(), redirectUri, scope: "read openid" };
    const [one, two] = [await clientOf().authorizationUrl(request), await clientOf().authorizationUrl(request)];
    expect(one.nonce).toMatch(/^[\w-]{22}$/);
    expect(one.nonce).not.toBe(two.nonce);
    expect(new URL(one.url).searchParams.get("nonce")).toBe(one.nonce);
    expect(JSON.parse(JSON.stringify(one))).toEqual({ ...one });
    const mine = await clientOf().authorizationUrl({ ...request, nonce: "mine", maxAge: 60 });
    expect(Object.fromEntries(new URL(mine.url).searchParams)).toMatchObject({ nonce: "mine", max_age: "60" });
    expect(mine).toMatchObject({ nonce: "mine", maxAge: 60 });
  });

  it("has no nonce without openid", async () => {
    const pendingWithout = await clientOf().authorizationUrl({ ...agent(), redirectUri, scope: "openids" });
    expect(new URL(pendingWithout.url).searchParams.has("nonce")).toBe(false);
    expect(pendingWithout.nonce).toBeUndefined();
  });

  it.each([{ maxAge: -1 }, { maxAge: 1.5 }, { maxAge: Number.NaN }, { nonce: "" }])("rejects %o", async (more) => {
    const request = clientOf().authorizationUrl({ ...agent(), redirectUri, ...more });
    expect(await errorOf(request)).toMatchObject({ code: "misconfigured" });
  });
});
