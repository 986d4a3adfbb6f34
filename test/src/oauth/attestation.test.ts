/** Client authentication by attested keys, at oidc-provider (draft-12), with an attester whose key is on a SoftHSM token. */
import { generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import {
  type ClientAuth,
  clientAttester,
  DPoPProver,
  OAuthClient,
  type PublicJwk,
  type SignatureTrace,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { signatureChannel } from "../../../src/tracing.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";

const redirectUri = "http://127.0.0.1/callback";
const ISSUER = "https://attester.example.com";
const METHODS = ["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"] as const;
type Method = (typeof METHODS)[number];

let hsm: SoftHsm;
let key: Pkcs11Signer;
let as: AuthorizationServer;
let isStale: (attestation: JWTPayload) => boolean;
beforeAll(async () => {
  hsm = await softHsm({ label: "attester" });
  key = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
  as = await authorizationServer({
    attester: { issuer: ISSUER, jwk: await key.publicJwk(), isStale: (attestation) => isStale(attestation) },
    clients: METHODS.map((method) => ({
      ...confidential,
      client_id: clientIdFor(method),
      token_endpoint_auth_method: method as "none",
    })),
  });
});
afterAll(async () => {
  await key.close();
  await Promise.all([as.close(), hsm.close()]);
});

const clientIdFor = (method: Method) => `fleet ${method}`;
const newAttester = () => clientAttester(key, { issuer: ISSUER, lifetime: 3600 });
const attestedBy = (method: Method, prover: DPoPProver, attester = newAttester()): ClientAuth =>
  method === "attest_jwt_client_auth" ? { method, attester, signer: prover.signer } : { method, attester, prover };

/** A process: its key, and its client of the server. */
const newProcess = async (method: Method, options: { clientAuth?: ClientAuth } = {}) => {
  const prover = await DPoPProver.generate();
  const clientAuth = options.clientAuth ?? attestedBy(method, prover);
  const client = await OAuthClient.discover(as.issuer, { clientAuth, requireBinding: true });
  const request = { clientId: clientIdFor(method), dpopProver: prover };
  return { prover, client, request };
};

const traces: SignatureTrace[] = [];
const record = (message: unknown) => traces.push(message as SignatureTrace);
beforeEach(() => {
  isStale = () => false;
  signatureChannel.asyncEnd.subscribe(record);
});
afterEach(() => {
  signatureChannel.asyncEnd.unsubscribe(record);
  traces.length = 0;
});
const attestations = () => traces.filter(({ kind }) => kind === "client_attestation");
const lastRequest = (path: string) => as.requests.filter(({ url }) => url === path).at(-1) ?? expect.unreachable();

describe.each(METHODS)("%s", (method) => {
  it("gets tokens bound to the local key, with one attestation for every request", async () => {
    const { prover, client, request } = await newProcess(method);
    const tokens = await Promise.all(Array.from({ length: 5 }, () => client.clientCredentials(request)));
    for (const { cnfJkt } of tokens) expect(cnfJkt).toBe(prover.jkt);
    expect(attestations()).toMatchObject([
      { outcome: "ok", clientId: request.clientId, attestedJkt: prover.jkt, uri: expect.stringContaining("attester") },
    ]);
  });

  it("authenticates a pushed request, a refresh by the same key, introspection, revocation and a device login", async () => {
    const { prover, client, request } = await newProcess(method);
    const { clientId } = request;
    const login = await client.authorizationUrl({ ...request, redirectUri, scope: "read", pushed: true });
    const callback = await authorizeInBrowser(login.url, redirectUri);
    const first = await client.authorizationCode(callback, { ...request, ...login });
    const second = await client.refresh({ ...request, refreshToken: first.refreshToken ?? "" });
    expect(second.cnfJkt).toBe(prover.jkt);
    const token = second.refreshToken ?? expect.unreachable();
    await expect(client.introspect({ clientId, token })).resolves.toMatchObject({ active: true });
    await client.revoke({ clientId, token });
    await expect(client.introspect({ clientId, token })).resolves.toMatchObject({ active: false });
    await expect(client.deviceAuthorization(request)).resolves.toMatchObject({ userCode: expect.any(String) });
    expect(attestations()).toHaveLength(1);
  });

  it("can't refresh with the key of another process: the server binds a refresh token to the attested key", async () => {
    const { client, request } = await newProcess(method);
    const login = await client.authorizationUrl({ ...request, redirectUri, scope: "read", pushed: true });
    const callback = await authorizeInBrowser(login.url, redirectUri);
    const { refreshToken } = await client.authorizationCode(callback, { ...request, ...login });
    const other = await newProcess(method);
    const attempt = other.client.refresh({ ...other.request, refreshToken: refreshToken ?? "" });
    await expect(attempt).rejects.toMatchObject({ error: "invalid_grant" });
  });

  it("requests a new attestation when the server asks for a fresh one, once", async () => {
    const { client, request } = await newProcess(method);
    await client.clientCredentials(request);
    isStale = ({ jti }) => jti === attestations()[0]?.jti;
    await client.clientCredentials(request);
    expect(attestations()).toHaveLength(2);
    isStale = () => true;
    await expect(client.clientCredentials(request)).rejects.toMatchObject({ error: "use_fresh_attestation" });
    expect(attestations()).toHaveLength(3);
  });

  it("is refused with an attestation by another key, without showing the attestation", async () => {
    const prover = await DPoPProver.generate();
    const impostor = clientAttester(MemorySigner.generate(), { issuer: ISSUER, lifetime: 3600 });
    const { client, request } = await newProcess(method, { clientAuth: attestedBy(method, prover, impostor) });
    const error = await client.clientCredentials({ ...request, dpopProver: prover }).catch((reason) => reason);
    expect(error).toMatchObject({ name: "OAuthError", code: "refused", error: "invalid_client" });
    expect(inspect(error, { depth: 9 })).not.toContain("eyJ");
  });
});

describe("the proof of possession", () => {
  it("has the server as its audience, and the challenge of the server's endpoint", async () => {
    const { client, request } = await newProcess("attest_jwt_client_auth");
    const challenges = () => as.requests.filter(({ url }) => url === "/challenge").length;
    const before = challenges();
    const sent = as.requests.length;
    await client.clientCredentials(request);
    expect(as.requests.slice(sent).map(({ url, status }) => [url, status])).toEqual([
      ["/challenge", 200],
      ["/oauth/token", 400], // use_dpop_nonce
      ["/oauth/token", 200],
    ]);
    await client.clientCredentials(request);
    expect(challenges()).toBe(before + 1);
    const { headers } = lastRequest("/oauth/token");
    const pop = String(headers["oauth-client-attestation-pop"]);
    expect(decodeProtectedHeader(pop)).toEqual({ typ: "oauth-client-attestation-pop+jwt", alg: "ES256" });
    expect(decodeJwt(pop)).toMatchObject({ aud: as.issuer, challenge: expect.stringMatching(/./) });
    expect(traces).toContainEqual(expect.objectContaining({ kind: "attestation_pop", aud: as.issuer }));
  });

  it("is made by a key that can differ from the prover's", async () => {
    const signer = MemorySigner.generate({ algorithm: "Ed25519" });
    const clientAuth: ClientAuth = { method: "attest_jwt_client_auth", attester: newAttester(), signer };
    const { prover, client, request } = await newProcess("attest_jwt_client_auth", { clientAuth });
    await expect(client.clientCredentials(request)).resolves.toMatchObject({ cnfJkt: prover.jkt });
  });

  it("is retried with the challenge of the error response if the server has no endpoint for challenges", async () => {
    const { client: discovered, prover, request } = await newProcess("attest_jwt_client_auth");
    const { challenge_endpoint: _, ...metadata } = discovered.metadata ?? expect.unreachable();
    const clientAuth = attestedBy("attest_jwt_client_auth", prover);
    const client = new OAuthClient({ baseUrl: as.issuer, metadata, clientAuth });
    const before = as.requests.length;
    await client.clientCredentials(request);
    expect(as.requests.slice(before).map(({ url, status }) => [url, status])).toEqual([
      ["/oauth/token", 400], // use_attestation_challenge
      ["/oauth/token", 400], // use_dpop_nonce
      ["/oauth/token", 200],
    ]);
  });

  it("is the DPoP proof in combined mode, without a header of its own", async () => {
    const { client, request } = await newProcess("attest_jwt_client_auth_dpop");
    await client.clientCredentials(request);
    const { headers } = lastRequest("/oauth/token");
    expect(headers).toMatchObject({ dpop: expect.any(String), "oauth-client-attestation": expect.any(String) });
    expect(headers).not.toHaveProperty("oauth-client-attestation-pop");
  });

  it("can't be made by another prover than the attested one in combined mode", async () => {
    const { client, request, prover } = await newProcess("attest_jwt_client_auth_dpop");
    const other = await DPoPProver.generate();
    const attempt = client.clientCredentials({ ...request, dpopProver: other });
    await expect(attempt).rejects.toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining(prover.jkt),
    });
  });
});

describe("an attestation", () => {
  it("names the attester, the client, the key and a lifetime, and nothing of the private key", async () => {
    const { prover } = await newProcess("attest_jwt_client_auth");
    const attester = clientAttester(key, { issuer: ISSUER, lifetime: 60, claims: { status: "x", sub: "other" } });
    const jwt = await attester({ clientId: "fleet", jwk: prover.publicJwk });
    const { jkt: kid } = await DPoPProver.create(key);
    expect(decodeProtectedHeader(jwt)).toEqual({ typ: "oauth-client-attestation+jwt", alg: "ES256", kid });
    const { iat = 0, exp, ...claims } = decodeJwt(jwt);
    expect(exp).toBe(iat + 60);
    const cnf = { jwk: prover.publicJwk };
    expect(claims).toEqual({ iss: ISSUER, sub: "fleet", jti: expect.any(String), status: "x", cnf });
  });

  it("isn't made for a private key, which the error doesn't show", async () => {
    const jwk = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" });
    const error = await newAttester()({ clientId: "fleet", jwk: { ...jwk } as unknown as PublicJwk }).catch(
      (reason) => reason,
    );
    expect(error).toMatchObject({ name: "OAuthError", code: "misconfigured", message: expect.stringContaining("d.") });
    expect(inspect(error)).not.toContain(jwk.d);
  });

  it("isn't made for something that isn't a key", async () => {
    const attest = (jwk: unknown) => newAttester()({ clientId: "fleet", jwk: jwk as PublicJwk });
    await expect(attest({ kty: "EC", crv: "P-256", x: "AA", y: "AA" })).rejects.toMatchObject({ code: "wrong-key" });
    await expect(attest(undefined)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it.each<[object, string]>([
    [{ issuer: "", lifetime: 60 }, "issuer"],
    [{ issuer: ISSUER }, "lifetime"],
    [{ issuer: ISSUER, lifetime: 86_401 }, "lifetime"],
    [{ issuer: ISSUER, lifetime: 0 }, "lifetime"],
    [{ issuer: ISSUER, lifetime: 1.5 }, "lifetime"],
  ])("can't be made with the options %o", (options, option) => {
    const create = () => clientAttester(key, options as { issuer: string; lifetime: number });
    expect(create).toThrow(expect.objectContaining({ code: "misconfigured" }));
    expect(create).toThrow(option);
  });
});

it.each<[object, string]>([
  [{ method: "attest_jwt_client_auth" }, "clientAuth.attester"],
  [{ method: "attest_jwt_client_auth", attester: () => "" }, "clientAuth.signer"],
  [{ method: "attest_jwt_client_auth_dpop", attester: () => "" }, "clientAuth.prover"],
  [{ method: "attest_jwt_client_auth_dpop", attester: () => "", prover: MemorySigner.generate() }, "clientAuth.prover"],
])("refuses the option clientAuth %o when the client is created", (clientAuth, option) => {
  const create = () => new OAuthClient({ baseUrl: as.issuer, clientAuth: clientAuth as ClientAuth });
  expect(create).toThrow(expect.objectContaining({ name: "OAuthError", code: "misconfigured" }));
  expect(create).toThrow(option);
});
