/** Options that JavaScript lets a caller forget: each missing or wrong one is an error that names it. */
import { generateKeyPairSync } from "node:crypto";
import * as hardproof from "hardproof";
import { DPoPProver, dpopFetch, OAuthClient, OAuthError, signJwt, tokenSource } from "hardproof";
import { FileSigner } from "hardproof/file";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { TpmSigner } from "hardproof/tpm";
import { afterAll, describe, expect, it, vi } from "vitest";

// biome-ignore lint/suspicious/noExplicitAny: what JavaScript may pass
type Anything = any;

const baseUrl = "https://auth.example.com";
const signer = MemorySigner.generate();
const prover = await DPoPProver.create(signer);
const fetch = async () =>
  Response.json({
    access_token: "opaque",
    active: true,
    client_id: "agent",
    device_code: "d",
    user_code: "u",
    verification_uri: baseUrl,
    expires_in: 5,
    issuer: baseUrl,
    resource: baseUrl,
    authorization_servers: [baseUrl],
  });
vi.stubGlobal("fetch", fetch); // the default, if the option is removed
afterAll(() => void vi.unstubAllGlobals());
const client = new OAuthClient({ baseUrl, fetch });
const endpoints = { authorization_endpoint: `${baseUrl}/authorize`, token_endpoint: `${baseUrl}/token` };
const metadata = { issuer: baseUrl, ...endpoints, jwks_uri: `${baseUrl}/jwks` };
const openIdClient = new OAuthClient({ baseUrl, fetch, metadata });
const requestObject = { signer };
const clientAssertion = { signer, clientId: "agent", endpoints: metadata };
const key = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const agent = { clientId: "agent", dpopProver: prover };
const access = { clientId: "agent", registrationClientUri: baseUrl, registrationAccessToken: "x" };
const codeVerifier = "v".repeat(43);
const callback = `${baseUrl}/?code=x&state=s`;
/** Doesn't wait for a user. */
const show = () => {
  throw new OAuthError("aborted", "not shown");
};

const newSource = () => tokenSource({ client, prover, grantType: "client_credentials", clientId: "agent" });

/** Calls with valid options. */
const calls: Record<string, [options: object, call: (options: Anything) => unknown]> = {
  "new OAuthClient": [
    {
      baseUrl,
      metadata: { issuer: baseUrl },
      endpoints: {},
      issuer: baseUrl,
      clientAuth: "none",
      timeout: 5000,
      fetch,
    },
    (options) => new OAuthClient(options),
  ],
  clientAuth: [
    { method: "private_key_jwt", signer },
    (clientAuth) => new OAuthClient({ baseUrl, fetch, clientAuth }).clientCredentials(agent),
  ],
  discover: [{ fetch, timeout: 5000, signal: undefined }, (options) => OAuthClient.discover(baseUrl, options)],
  getTokenWithDPoP: [
    { ...agent, grantType: "x", scope: "s", extra: {}, signal: undefined },
    (options) => client.getTokenWithDPoP(options),
  ],
  clientCredentials: [{ ...agent, extra: {}, resource: baseUrl }, (options) => client.clientCredentials(options)],
  authorizationUrl: [
    { ...agent, redirectUri: baseUrl, state: "s", codeVerifier, extra: {}, resource: [baseUrl] },
    (options) => client.authorizationUrl(options),
  ],
  authorizationCode: [
    { ...agent, redirectUri: baseUrl, state: "s", codeVerifier },
    (options) => client.authorizationCode(callback, options),
  ],
  refresh: [{ ...agent, refreshToken: "x", resource: baseUrl }, (options) => client.refresh(options)],
  deviceAuthorization: [{ ...agent, extra: {}, resource: baseUrl }, (options) => client.deviceAuthorization(options)],
  deviceCode: [{ ...agent, show }, (options) => client.deviceCode(options)],
  getToken: [
    { ...agent, grantType: "x", scope: "s", binding: undefined, extra: {}, requireBinding: false },
    (options) => client.getToken(options),
  ],
  "OpenID Connect": [
    { ...agent, redirectUri: baseUrl, scope: "openid", responseMode: "jwt", requestObject, nonce: "n", maxAge: 5 },
    (options) => openIdClient.authorizationUrl(options),
  ],
  requestObject: [
    requestObject,
    (value) => openIdClient.authorizationUrl({ ...agent, redirectUri: baseUrl, requestObject: value }),
  ],
  "authorizationCode(callback)": [
    { code: "x", state: "s" },
    (value) => client.authorizationCode(value, { ...agent, redirectUri: baseUrl, state: "s", codeVerifier }),
  ],
  "signed responses": [
    { ...agent, redirectUri: baseUrl, state: "s", codeVerifier, responseMode: "query", nonce: undefined, maxAge: 5 },
    (options) => client.authorizationCode(callback, options),
  ],
  "refresh of an ID token": [
    { ...agent, refreshToken: "x", idTokenClaims: null },
    (options) => openIdClient.refresh(options),
  ],
  "options for ID tokens": [
    { baseUrl, idTokenSignedResponseAlg: "ES256", authorizationSignedResponseAlg: "ES256", certificate: undefined },
    (options) => new OAuthClient(options),
  ],
  exchangeToken: [{ ...agent, subjectToken: "x" }, (options) => client.exchangeToken(options)],
  jwtBearer: [{ ...agent, assertion: "x" }, (options) => client.jwtBearer(options)],
  assertion: [{ signer, subject: "s" }, (assertion) => client.jwtBearer({ ...agent, assertion })],
  revoke: [{ clientId: "agent", token: "x", extra: {} }, (options) => client.revoke(options)],
  introspect: [{ clientId: "agent", token: "x", extra: {} }, (options) => client.introspect(options)],
  register: [{ metadata: {}, signer, initialAccessToken: "x" }, (options) => client.register(options)],
  readRegistration: [access, (options) => client.readRegistration(options)],
  updateRegistration: [{ metadata: {}, signer }, (options) => client.updateRegistration(access, options)],
  dpopFetch: [
    { prover, token: "x", allowedOrigins: [baseUrl], fetch: async () => new Response(), maxBufferedBody: 5 },
    (options) => dpopFetch(options)(baseUrl),
  ],
  proofFetch: [
    {
      prover,
      clientAssertion,
      allowedOrigins: [baseUrl],
      allowPrivateEndpoints: false,
      fetch: async () => new Response(),
      maxBufferedBody: 5,
    },
    (options) => hardproof.proofFetch(options)(baseUrl),
  ],
  clientAssertion: [
    { ...clientAssertion, audience: baseUrl },
    (value) =>
      hardproof.proofFetch({ prover, fetch, clientAssertion: value })(baseUrl, {
        method: "POST",
        body: new URLSearchParams(),
      }),
  ],
  proofSession: [
    { prover, allowedOrigins: [baseUrl], adjustClock: true },
    (options) => hardproof.proofSession(options).request({ method: "GET", url: baseUrl }).headers(),
  ],
  "request of a session": [
    { method: "GET", url: baseUrl, token: "x" },
    (request) => hardproof.proofSession({ prover }).request(request).headers(),
  ],
  privateKeyJwt: [{ signer, audience: baseUrl }, (options) => void hardproof.privateKeyJwt(options)],
  keyObjectSigner: [{ uri: "keyobject:", concurrent: true }, (options) => void hardproof.keyObjectSigner(key, options)],
  tokenSource: [
    { client, prover, grantType: "client_credentials", clientId: "agent", extra: {}, backoff: {}, margin: 5 },
    (options) => tokenSource(options).token(),
  ],
  "token of a source": [{ scope: "read" }, (options) => newSource().token(options)],
  "renew of a source": [{ scope: "read" }, (options) => newSource().renew("rejected", options)],
  "renew(rejected)": [{ accessToken: "rejected" }, (rejected) => newSource().renew(rejected)],
  encryptedTokenStore: [{ directory: "/nowhere", key: "k" }, (options) => hardproof.encryptedTokenStore(options)],
  discoverResource: [{ fetch, resource: baseUrl }, (options) => hardproof.discoverResource(baseUrl, options)],
  fetchResourceMetadata: [{ fetch }, (options) => hardproof.fetchResourceMetadata(baseUrl, options)],
  "DPoPProver.create": [{ maxClockSkew: 5 }, (options) => DPoPProver.create(signer, options)],
  "DPoPProver.create(signer)": [signer, (value) => DPoPProver.create(value)],
  makeProof: [{ htm: "GET", htu: baseUrl, supportedAlgorithms: ["ES256"] }, (options) => prover.makeProof(options)],
  requireNonExportable: [{ protection: ["software"] }, (options) => hardproof.requireNonExportable(signer, options)],
  signJwt: [{ header: {}, typ: "JWT" }, (options) => signJwt(signer, {}, options)],
  "signJwt(signer)": [signer, (value) => signJwt(value, {})],
  clientJwks: [signer, (value) => hardproof.clientJwks(value)],
  openSigner: [{}, (options) => hardproof.openSigner("memory:", options)],
  loadProviders: [[], (names) => hardproof.loadProviders(names)],
  FileSigner: [{ path: "/nowhere" }, (options) => void new FileSigner(options)],
  Pkcs11Signer: [{ module: "/nowhere", token: "t", key: "k" }, (options) => void new Pkcs11Signer(options)],
  TpmSigner: [{ token: "t", key: "k" }, (options) => void new TpmSigner(options)],
  importPublicKey: [{ kty: "EC" }, (jwk) => hardproof.importPublicKey(jwk)],
};
const names = Object.keys(calls);

/** Returns the error of a call, or `undefined` if it succeeded. */
async function errorOf(call: () => unknown): Promise<Anything> {
  try {
    await call();
  } catch (error) {
    return error;
  }
}

describe("an option that is missing", () => {
  it.each([
    ["clientAuth", "signer", "clientAuth.signer"],
    ["assertion", "signer", "assertion.signer"],
    ["assertion", "subject", "assertion.subject"],
    ["new OAuthClient", "baseUrl", "baseUrl"],
    ["getTokenWithDPoP", "grantType", "grantType"],
    ["getTokenWithDPoP", "dpopProver", "dpopProver"],
    ["clientCredentials", "dpopProver", "dpopProver"],
    ["clientCredentials", "clientId", "clientId"],
    ["authorizationUrl", "redirectUri", "redirectUri"],
    ["authorizationUrl", "dpopProver", "dpopProver"],
    ["authorizationCode", "redirectUri", "redirectUri"],
    ["authorizationCode", "state", "state"],
    ["authorizationCode", "codeVerifier", "codeVerifier"],
    ["refresh", "refreshToken", "refreshToken"],
    ["deviceAuthorization", "dpopProver", "dpopProver"],
    ["deviceCode", "show", "show"],
    ["exchangeToken", "subjectToken", "subjectToken"],
    ["jwtBearer", "assertion", "assertion"],
    ["revoke", "token", "token"],
    ["introspect", "clientId", "clientId"],
    ["readRegistration", "registrationAccessToken", "registrationAccessToken"],
    ["dpopFetch", "prover", "prover"],
    ["dpopFetch", "token", "token"],
    ["proofFetch", "prover", "prover"],
    ["clientAssertion", "signer", "clientAssertion.signer"],
    ["clientAssertion", "clientId", "clientAssertion.clientId"],
    ["requestObject", "signer", "requestObject.signer"],
    ["privateKeyJwt", "signer", "signer"],
    ["proofSession", "prover", "prover"],
    ["request of a session", "method", "htm"],
    ["request of a session", "url", "url"],
    ["getToken", "dpopProver", "dpopProver"],
    ["tokenSource", "client", "client"],
    ["tokenSource", "prover", "prover"],
    ["encryptedTokenStore", "directory", "directory"],
    ["encryptedTokenStore", "key", "key"],
    ["makeProof", "htm", "htm"],
    ["makeProof", "htu", "htu"],
  ])("of %s is named: %s", async (name, option, expected) => {
    const [options = {}, call] = calls[name] ?? expect.unreachable();
    const { [option]: _, ...others } = options as Anything;
    const error = await errorOf(() => call(others));
    expect(error).toBeInstanceOf(hardproof.HardproofError);
    expect(["misconfigured", "invalid-htm", "invalid-htu"]).toContain(error.code);
    expect(error.message).toContain(expected);
  });
});

describe("an option of the wrong type", () => {
  it.each([
    ["new OAuthClient", "metadata", null],
    ["new OAuthClient", "timeout", "5"],
    ["new OAuthClient", "fetch", {}],
    ["discover", "fetch", 7],
    ["discover", "timeout", "x"],
    ["clientCredentials", "extra", 7],
    ["clientCredentials", "resource", 7],
    ["clientCredentials", "resource", ["x#y"]],
    ["getTokenWithDPoP", "extra", "x"],
    ["getToken", "binding", "x"],
    ["getToken", "scope", ["openid", 7]],
    ["refresh", "scope", 7],
    ["deviceAuthorization", "scope", ["openid", 7]],
    ["OpenID Connect", "scope", ["openid", 7]],
    ["OpenID Connect", "responseMode", ["jwt"]],
    ["OpenID Connect", "requestObject", null],
    ["OpenID Connect", "maxAge", "5"],
    ["signed responses", "responseMode", {}],
    ["options for ID tokens", "idTokenSignedResponseAlg", "none"],
    ["options for ID tokens", "certificate", "x"],
    ["proofFetch", "fetch", 7],
    ["proofFetch", "allowedOrigins", baseUrl],
    ["proofFetch", "clientAssertion", null],
    ["clientAssertion", "endpoints", null],
    ["clientAssertion", "endpoints", [baseUrl, 7]],
    ["proofSession", "allowedOrigins", baseUrl],
    ["request of a session", "token", 7],
    ["tokenSource", "binding", "x"],
    ["tokenSource", "prover", 7],
    ["deviceCode", "show", "x"],
    ["register", "metadata", []],
    ["token of a source", "scope", 7],
    ["renew of a source", "scope", ["read", 7]],
    ["dpopFetch", "allowedOrigins", baseUrl],
    ["dpopFetch", "fetch", 7],
    ["tokenSource", "store", {}],
    ["tokenSource", "token", {}],
    ["tokenSource", "backoff", 7],
    ["tokenSource", "extra", null],
    ["fetchResourceMetadata", "timeout", Number.NaN],
    ["makeProof", "supportedAlgorithms", "ES256"],
    ["requireNonExportable", "protection", "hsm"],
    ["signJwt", "header", 7],
  ])("of %s is named: %s = %j", async (name, option, value) => {
    const [options = {}, call] = calls[name] ?? expect.unreachable();
    const error = await errorOf(() => call({ ...options, [option]: value }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining(option) });
  });
});

describe("options that are wrong", () => {
  const wrong: Anything[] = [undefined, null, 0, 7, "", "x", true, {}, [], [null], show];

  it.each(names)("of %s never cause an error of another class", async (name) => {
    const [options, call] = calls[name] ?? expect.unreachable();
    const members = Object.keys(options).flatMap((key) => wrong.map((value) => ({ ...options, [key]: value })));
    for (const value of [...wrong, ...members]) {
      const error = await errorOf(() => call(value));
      if (error !== undefined) expect(error).toBeInstanceOf(hardproof.HardproofError);
    }
  });

  it.each(names)("are compared with valid ones, which %s accepts", async (name) => {
    const [options, call] = calls[name] ?? expect.unreachable();
    const error = await errorOf(() => call(options));
    const expected: Record<string, string> = {
      deviceCode: "aborted",
      importPublicKey: "wrong-key",
      requireNonExportable: "wrong-key",
    };
    expect(error?.code).toBe(expected[name]);
  });

  it("reject a signal that isn't one, instead of failing in a timer", async () => {
    const wrongSignal = { ...agent, signal: {} } as Anything;
    expect(await errorOf(() => client.clientCredentials(wrongSignal))).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("signal"),
    });
  });
});
