/** Dynamic client registration (RFC 7591) and its management (RFC 7592), at oidc-provider and at a stub. */
import { inspect } from "node:util";
import {
  type ClientRegistration,
  clientJwks,
  DPoPProver,
  OAuthClient,
  type OAuthError,
  openSigner,
  type RegistrationRequest,
  type Signer,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { errorOf } from "../../servers/stub-resource.js";
import { json, stubServer } from "../../servers/stub-server.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

const INITIAL = "an-initial-access-token";
const METADATA = { grant_types: ["client_credentials"], response_types: [], redirect_uris: [], client_name: "Agent 7" };
const circular: Record<string, unknown> = {};
circular.self = circular;
const failure = (work: Promise<unknown>) => errorOf(work) as Promise<OAuthError>;

const server = await stubServer();
const client = new OAuthClient({ baseUrl: server.origin });
afterAll(() => server.close());

describe("with oidc-provider", () => {
  let as: AuthorizationServer;
  let hsm: SoftHsm;
  let signer: Signer;
  let client: OAuthClient;
  beforeAll(async () => {
    [as, hsm] = await Promise.all([
      authorizationServer({ registration: { initialAccessToken: INITIAL } }),
      softHsm({ label: "agents" }),
    ]);
    const query = `module-path=${hsm.module}&pin-source=env:HSM_PIN`;
    vi.stubEnv("HSM_PIN", hsm.pin);
    signer = await openSigner(`pkcs11:token=${hsm.token};object=${hsm.key.label}?${query}`);
    client = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer } });
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await signer.close();
    await Promise.all([as.close(), hsm.close()]);
  });
  const register = (request: RegistrationRequest = {}) =>
    client.register({ signer, metadata: METADATA, initialAccessToken: INITIAL, ...request });

  it("registers a hardware key, and gets a token with an assertion that the key signs", async () => {
    const registration = await register();
    const { jkt } = await DPoPProver.create(signer);
    expect(registration).toMatchObject({ clientSecret: null, clientSecretExpiresAt: null });
    expect(registration.metadata).toMatchObject({
      client_name: "Agent 7",
      token_endpoint_auth_method: "private_key_jwt",
      dpop_bound_access_tokens: true,
      jwks: { keys: [{ kid: jkt, alg: "ES256", use: "sig" }] },
    });
    const dpopProver = await DPoPProver.generate();
    const token = await client.clientCredentials({ clientId: registration.clientId, dpopProver });
    expect(token.cnfJkt).toBe(dpopProver.jkt);
  });

  it("reads, updates and deletes a registration, with the token that the server replaces", async () => {
    const created = await register();
    const read = await client.readRegistration(created);
    expect({ ...read }).toEqual({ ...created });

    const other = MemorySigner.generate();
    const updated = await client.updateRegistration(read, {
      metadata: { ...read.metadata, client_name: "Agent 8" },
      signer: [signer, other],
    });
    expect(updated.metadata).toMatchObject({ client_name: "Agent 8", jwks: await clientJwks([signer, other]) });
    expect(updated.registrationAccessToken).not.toBe(read.registrationAccessToken);
    expect(await failure(client.readRegistration(created))).toMatchObject({ code: "refused", statusCode: 401 });

    const rotated = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer: other } });
    const { clientId } = updated;
    const token = await rotated.clientCredentials({ clientId, dpopProver: await DPoPProver.generate() });
    expect(token.cnfJkt).not.toBeNull();

    await client.deleteRegistration(updated);
    expect(await failure(client.readRegistration(updated))).toMatchObject({ code: "refused", statusCode: 401 });
  });

  it("updates a client that has a secret, and uses the secret", async () => {
    const metadata = { ...METADATA, token_endpoint_auth_method: "client_secret_basic" };
    const created = await client.register({ metadata, initialAccessToken: INITIAL });
    const updated = await client.updateRegistration(created, { metadata: { ...created.metadata, client_name: "B" } });
    expect(updated.clientSecret).toBe(created.clientSecret);
    const { clientId, clientSecret } = updated;
    const bySecret = await OAuthClient.discover(as.issuer, { clientAuth: "client_secret_basic" });
    const dpopProver = await DPoPProver.generate();
    expect((await bySecret.clientCredentials({ clientId, clientSecret, dpopProver })).cnfJkt).toBe(dpopProver.jkt);
  });

  it("reports the server's words for metadata that it refuses", async () => {
    const error = await failure(register({ metadata: { ...METADATA, grant_types: ["no_such_grant"] } }));
    expect(error).toMatchObject({ code: "refused", error: "invalid_client_metadata", statusCode: 400 });
    expect(error.message).toContain("grant_types");
  });

  it.each([undefined, "a-wrong-initial-access-token"])("reports a refused initial access token: %s", async (token) => {
    const request: RegistrationRequest = { signer, metadata: METADATA };
    const error = await failure(
      client.register(token === undefined ? request : { ...request, initialAccessToken: token }),
    );
    expect(error).toMatchObject({ code: "refused", statusCode: 401 });
    expect(error.message).not.toContain("a-wrong-initial");
  });
});

it.each(testedAlgorithms("memory"))("clientJwks describes a key for %s by kid, alg and use", async (algorithm) => {
  const key = MemorySigner.generate({ algorithm });
  const jwk = await key.publicJwk();
  const { jkt } = await DPoPProver.create(key);
  expect(await clientJwks(key)).toEqual({ keys: [{ ...jwk, alg: algorithm, kid: jkt, use: "sig" }] });
});

describe("the request", () => {
  const signer = MemorySigner.generate();
  const answer = { client_id: "agent-7" };
  const sent = async (request: RegistrationRequest) => {
    server.respondWith(json(201, answer));
    await client.register(request);
    const [{ body, ...rest } = expect.unreachable()] = server.requests;
    return { ...rest, body: JSON.parse(body) };
  };

  it("is JSON at the default path without metadata, with the tokens and the caller's metadata", async () => {
    const request = { metadata: METADATA, initialAccessToken: INITIAL, softwareStatement: "x.y.z" };
    const { method, path, headers, body } = await sent(request);
    expect({ method, path }).toEqual({ method: "POST", path: "/oauth/register" });
    expect(headers).toMatchObject({ authorization: `Bearer ${INITIAL}`, "content-type": "application/json" });
    expect(body).toEqual({ ...METADATA, dpop_bound_access_tokens: true, software_statement: "x.y.z" });
  });

  it("has no authorization without an initial access token", async () => {
    expect((await sent({})).headers).not.toHaveProperty("authorization");
  });

  it("contains only public keys, with kid, alg and use, whatever a signer returns", async () => {
    const jwk = await signer.publicJwk();
    const leaky = {
      sign: () => undefined,
      publicJwk: async () => ({ ...jwk, d: "c2VjcmV0", key_ops: ["sign"] }),
    } as never;
    const kid = await calculateJwkThumbprint({ ...jwk });
    const { body } = await sent({ signer: [signer, leaky] });
    const registered = { ...jwk, kid, use: "sig" };
    expect(body).toMatchObject({
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [registered, registered] },
    });
    expect(body.jwks.keys[1]).toEqual(registered);
  });

  it("lets the caller override the defaults", async () => {
    const metadata = { token_endpoint_auth_method: "none", dpop_bound_access_tokens: false };
    expect((await sent({ signer, metadata })).body).toMatchObject(metadata);
  });

  it.each<[RegistrationRequest, string]>([
    [{ metadata: { jwks: { keys: [{ kty: "EC", d: "x" }] } } }, "private"],
    [{ metadata: { jwks: { keys: [{ kty: "oct", k: "x" }] } } }, "symmetric"],
    [{ metadata: { jwks: { keys: [{ kty: "AKP", priv: "x" }] } } }, "private"],
    [{ metadata: { jwks: [] as never } }, "JWK Set"],
    [{ metadata: { jwks: "x" } }, "JWK Set"],
    [{ metadata: "x" as never }, "metadata"],
    [{ metadata: null as never }, "metadata"],
    [{ metadata: circular }, "JSON"],
    [{ signer, metadata: { jwks: { keys: [] } } }, "signer"],
    [{ signer, metadata: { jwks_uri: "https://agent.example.com/jwks" } }, "signer"],
    [{ signer: [] }, "signer"],
    [{ signer: {} as never }, "signer"],
    [{ signer: null as never }, "signer"],
    [{ initialAccessToken: "" }, "initialAccessToken"],
    [{ softwareStatement: 7 as never }, "softwareStatement"],
    [undefined as never, "register"],
  ])("is refused before anything is sent: %j", async (request, word) => {
    server.respondWith(json(201, answer));
    expect(await failure(client.register(request))).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining(word),
    });
    expect(server.requests).toEqual([]);
  });

  it("fails if the server's metadata has no registration_endpoint", async () => {
    const metadata = { issuer: server.origin };
    const request = new OAuthClient({ baseUrl: server.origin, metadata }).register({});
    expect(await failure(request)).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("registration_endpoint"),
    });
  });
});

describe("the response", () => {
  const register = async (body: unknown, status = 201): Promise<ClientRegistration> => {
    server.respondWith(json(status, body));
    return client.register({ initialAccessToken: INITIAL });
  };

  it.each([{}, { client_id: 7 }, { client_id: "" }, [], "x"])("needs a client_id: %j", async (body) => {
    expect(await failure(register(body))).toMatchObject({ code: "invalid-response" });
  });

  it("doesn't lose a client because of an optional member", async () => {
    const malformed = { client_secret_expires_at: "soon", client_id_issued_at: {}, registration_client_uri: 7 };
    expect(await register({ client_id: "agent-7", ...malformed })).toMatchObject({
      clientId: "agent-7",
      clientSecretExpiresAt: null,
      clientIdIssuedAt: null,
      registrationClientUri: null,
      registrationAccessToken: null,
    });
  });

  it.each([
    [0, null],
    ["0", null],
    [1_800_000_000, 1_800_000_000],
    ["1800000000", 1_800_000_000],
  ])("reads client_secret_expires_at %j as %j", async (value, expected) => {
    const { clientSecretExpiresAt } = await register({
      client_id: "x",
      client_secret: "y",
      client_secret_expires_at: value,
    });
    expect(clientSecretExpiresAt).toBe(expected);
  });

  it("has secrets that inspect, JSON and a copy don't contain", async () => {
    const secrets = {
      client_secret: "s3cr3t-1",
      registration_access_token: "s3cr3t-2",
      software_statement: "s3cr3t-3",
    };
    const registration = await register({ client_id: "agent-7", client_name: "A", ...secrets });
    expect(registration).toMatchObject({ clientSecret: "s3cr3t-1", registrationAccessToken: "s3cr3t-2" });
    expect(registration.raw).toMatchObject(secrets);
    for (const shown of [
      inspect(registration, { showHidden: true, depth: null }),
      inspect({ ...registration }, { showHidden: true, depth: null }),
      JSON.stringify(registration),
    ]) {
      expect(shown).not.toContain("s3cr3t");
      expect(shown).toContain("agent-7");
    }
  });

  it("has an error without the token and the statement that were sent", async () => {
    server.respondWith((response, request) =>
      json(400, {
        error: "invalid_software_statement",
        error_description: `${request.headers.authorization} ${request.body}`,
      })(response, request, 1),
    );
    const request = { initialAccessToken: INITIAL, softwareStatement: "header.payload.signature" };
    const error = await failure(client.register(request));
    expect(error).toMatchObject({ code: "refused", error: "invalid_software_statement" });
    expect(inspect(error)).not.toMatch(/an-initial-access-token|header\.payload/);
  });

  it("is refused by an error with status 200, unless it registered the client", async () => {
    const problem = { error: "invalid_client_metadata", error_description: "no such grant" };
    server.respondWith(json(200, problem));
    expect(await failure(client.register({}))).toMatchObject({ code: "refused", error: problem.error });
    expect((await register({ client_id: "agent-7", ...problem })).clientId).toBe("agent-7");
  });

  it("is limited in time, and can be aborted", async () => {
    server.respondWith(() => undefined);
    const hasty = new OAuthClient({ baseUrl: server.origin, timeout: 20 });
    expect(await failure(hasty.register({}))).toMatchObject({ code: "timeout" });
    expect(await failure(client.register({ signal: AbortSignal.abort() }))).toMatchObject({ code: "aborted" });
  });
});

describe("the management of a registration", () => {
  const access = () => ({
    clientId: "agent-7",
    registrationClientUri: `${server.origin}/clients/agent-7`,
    registrationAccessToken: "a-registration-token",
  });

  it("keeps the URL and the token if the response omits them", async () => {
    server.respondWith(json(200, { client_id: "agent-7" }));
    expect(await client.readRegistration(access())).toMatchObject(access());
    expect(server.requests[0]).toMatchObject({
      method: "GET",
      path: "/clients/agent-7",
      headers: { authorization: "Bearer a-registration-token" },
      body: "",
    });
  });

  it("sends an update with the id and the secret, without the members that a server forbids", async () => {
    server.respondWith(json(200, { client_id: "agent-7", client_id_issued_at: 1, client_name: "A" }));
    const registration = await client.readRegistration(access());
    const managed = { ...access(), clientSecret: "s3cr3t" };
    await client.updateRegistration(managed, { metadata: registration.metadata });
    expect(server.requests.at(-1)).toMatchObject({ method: "PUT" });
    expect(JSON.parse(server.requests.at(-1)?.body ?? "")).toEqual({
      client_id: "agent-7",
      client_secret: "s3cr3t",
      client_name: "A",
    });
  });

  it("replaces jwks_uri by the keys of a signer", async () => {
    server.respondWith(json(200, { client_id: "agent-7" }));
    const signer = MemorySigner.generate();
    await client.updateRegistration(access(), { metadata: { jwks_uri: "https://agent.example.com/" }, signer });
    expect(JSON.parse(server.requests[0]?.body ?? "")).toEqual({
      client_id: "agent-7",
      jwks: await clientJwks(signer),
    });
  });

  it("rejects a response about another client", async () => {
    server.respondWith(json(200, { client_id: "agent-8" }));
    expect(await failure(client.readRegistration(access()))).toMatchObject({ code: "invalid-response" });
  });

  it.each([
    ["registrationClientUri", { registrationClientUri: null }],
    ["registrationAccessToken", { registrationAccessToken: null }],
    ["clientId", { clientId: "" }],
    ["registration_client_uri", { registrationClientUri: "http://auth.example.com/clients/7" }],
    ["registration_client_uri", { registrationClientUri: "clients/7" }],
  ])("needs %s: %j", async (name, more) => {
    server.respondWith(json(200, { client_id: "agent-7" }));
    const message = expect.stringContaining(name);
    const changed = { ...access(), ...more };
    for (const work of [
      client.readRegistration(changed),
      client.updateRegistration(changed, {}),
      client.deleteRegistration(changed),
    ])
      expect(await failure(work)).toMatchObject({ code: "misconfigured", message });
    expect(server.requests).toEqual([]);
  });

  it("doesn't send the token of a public server's registration to this machine", async () => {
    const fetch = () => expect.unreachable();
    const publicClient = new OAuthClient({ baseUrl: "https://auth.example.com", fetch });
    expect(await failure(publicClient.deleteRegistration(access()))).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("allowPrivateEndpoints"),
    });
  });
});
