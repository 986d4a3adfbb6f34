/** MCP clients of both versions of the SDK, with keys on a SoftHSM token, at a real MCP server that accepts DPoP only. */
import { StreamableHTTPClientTransport, UnauthorizedError, withDpop } from "@modelcontextprotocol/client";
import { DPoPProver, OAuthError, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { connectMcp, type McpAgent, mcpFetch } from "../../examples/clients/mcp-v1.js";
import { dpopSession, HardwareKeyProvider, privateKeyJwt } from "../../examples/clients/mcp-v2.js";
import { type SoftHsm, softHsm } from "../../softhsm/index.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import type { RecordedRequest } from "../servers/loopback-server.js";
import { mcpServer, type RunningMcpServer } from "../servers/mcp-server.js";
import { type Agent, agentV1, connectV2 } from "./mcp-agents.js";
import { LoginProvider } from "./mcp-login.js";

const CLIENT_ID = "mcp-agent";
const REDIRECT_URI = "http://127.0.0.1/callback";

let hsm: SoftHsm;
let signer: Signer;
let prover: DPoPProver;
let as: AuthorizationServer;
let server: RunningMcpServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "agents" });
  await hsm.generateKey({ label: "assertions", id: "02", type: "EC:prime256v1" });
  signer = hsmSigner("assertions");
  prover = await DPoPProver.create(hsmSigner("dpop"), { require: {} });
  as = await authorizationServer({ clients: [await registration(signer)] });
  server = await mcpServer({ issuer: as.issuer });
});
afterAll(async () => {
  await Promise.all([signer.close(), prover.signer.close(), server.close(), as.close()]);
  await hsm.close();
});

function hsmSigner(key: string): Signer {
  return new Pkcs11Signer({ module: hsm.module, token: hsm.token, key, pin: hsm.pin });
}

async function registration(key: Signer) {
  const jwk = await key.publicJwk();
  const { jkt } = await DPoPProver.create(key);
  return {
    ...confidential,
    client_id: CLIENT_ID,
    token_endpoint_auth_method: "private_key_jwt" as const,
    token_endpoint_auth_signing_alg: jwk.alg as "ES256",
    jwks: { keys: [{ ...jwk, kid: jkt, use: "sig" }] },
  };
}

const agents: Agent[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(agents.splice(0).map((agent) => agent.close()));
});

/** Connects, and waits until the stream of notifications is open, so that no request of the SDK is still to come. */
async function open(connect: () => Promise<Agent>): Promise<Agent> {
  const requests = recorder();
  const agent = await connect();
  agents.push(agent);
  const isOpen = () => requests.mcp().some(({ method, status }) => method === "GET" && status === 200);
  await vi.waitFor(() => expect(isOpen()).toBe(true), { timeout: 10_000 });
  return agent;
}

const options = (): McpAgent => ({
  server: new URL(server.url),
  issuer: as.issuer,
  clientId: CLIENT_ID,
  scope: "read",
  prover,
  signer,
});

const clients: Record<string, () => Promise<Agent>> = {
  "version 1 with dpopFetch": async () => agentV1(await connectMcp(options())),
  "version 2 with dpopFetch": async () => connectV2(server.url, { fetch: await mcpFetch(options()) }),
  "version 2 with its own OAuth": () => connectV2(server.url, { authProvider: new HardwareKeyProvider(options()) }),
};

/** The requests that a part of a test caused. */
function recorder() {
  const start = { as: as.requests.length, server: server.requests.length };
  return {
    token: () => as.requests.slice(start.as).filter(({ method }) => method === "POST"),
    mcp: () => server.requests.slice(start.server).filter(({ url }) => url === "/mcp"),
  };
}

const proofOf = ({ headers }: RecordedRequest) => decodeJwt<Record<string, string>>(String(headers.dpop));
const withToken = (requests: RecordedRequest[]) => requests.filter(({ headers }) => headers.authorization);
const tokenOf = ({ headers }: RecordedRequest) => String(headers.authorization).replace(/^DPoP /, "");
const latestToken = () => tokenOf(withToken([...server.requests]).at(-1) ?? expect.unreachable());
const assertionOf = ({ body }: RecordedRequest) =>
  decodeJwt(new URLSearchParams(body).get("client_assertion") ?? expect.unreachable());

describe.each(Object.entries(clients))("%s", (_, connect) => {
  it("calls a tool with a token that is bound to the key on the token", async () => {
    as.rotateNonces();
    const requests = recorder();
    const agent = await open(connect);
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    expect(decodeJwt(latestToken())).toMatchObject({ aud: server.url, scope: "read", cnf: { jkt: prover.jkt } });
    expect(requests.token().map(({ status }) => status)).toEqual([400, 200]);
    expect(assertionOf(requests.token()[1] ?? expect.unreachable())).toMatchObject({ iss: CLIENT_ID, aud: as.issuer });
  });

  it("sends a new proof in every request: calls, the stream of notifications and the end of the session", async () => {
    const requests = recorder();
    const agent = await open(connect);
    agents.pop();
    expect(await agent.call("announce")).toBe("sent");
    await vi.waitFor(() => expect(agent.notifications).toEqual(["announced"]), { timeout: 10_000 });
    await agent.close();

    const accepted = requests.mcp().filter(({ status }) => status < 400);
    expect(new Set(accepted.map(({ method }) => method))).toEqual(new Set(["POST", "GET", "DELETE"]));
    for (const request of accepted) expect(proofOf(request)).toMatchObject({ htm: request.method, htu: server.url });
    const jtis = [...requests.token(), ...withToken(requests.mcp())].map((request) => proofOf(request).jti);
    expect(new Set(jtis).size).toBe(jtis.length);
    const assertions = requests.token().map((request) => assertionOf(request).jti);
    expect(new Set(assertions).size).toBe(assertions.length);
  });

  it("continues its session when the MCP server rotates its nonce", async () => {
    const agent = await open(connect);
    await agent.call("whoami");
    server.rotateNonce();
    const requests = recorder();
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    expect(requests.mcp().map(({ status }) => status)).toEqual([401, 200]);
    expect(requests.token()).toEqual([]);
  });

  it("replaces a token that was revoked in mid-session, and answers new nonces of both servers meanwhile", async () => {
    const agent = await open(connect);
    await agent.call("whoami");
    const revoked = latestToken();
    server.revokeTokens();
    server.rotateNonce();
    as.rotateNonces();
    const requests = recorder();
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    expect(latestToken()).not.toBe(revoked);
    expect(requests.mcp().map(({ status }) => status)).toEqual([401, 401, 200]);
    expect(requests.token().map(({ status }) => status)).toEqual([400, 200]);
  });

  it("replaces a token that expired in mid-session", async () => {
    const agent = await open(connect);
    await agent.call("whoami");
    const expired = latestToken();
    vi.useFakeTimers({ toFake: ["Date"], now: Number(decodeJwt(expired).exp) * 1000 + 120_000 });
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    expect(latestToken()).not.toBe(expired);
  });
});

describe("a thief with the token and another key", () => {
  it("is rejected by the MCP server, whichever nonce it uses", async () => {
    const agent = await open(async () => connectV2(server.url, { fetch: await mcpFetch(options()) }));
    await agent.call("whoami");
    const stolen = latestToken();
    const thief = dpopSession(await DPoPProver.generate());
    const response = await withDpop(thief, () => stolen)(fetch)(server.url, { method: "POST" });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toMatch(/error="invalid_/);
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
  });
});

describe("version 2 with the login of a user", () => {
  const login = (stored = {}) =>
    Object.assign(new LoginProvider(dpopSession(prover), REDIRECT_URI, stored), {
      addClientAuthentication: privateKeyJwt({ issuer: as.issuer, clientId: CLIENT_ID, signer }),
    });
  const client = () => ({ client_id: CLIENT_ID, issuer: as.issuer });

  it("binds the token of an authorization code, and after a restart refreshes it with the same key", async () => {
    const provider = login({ client: client() });
    await expect(connectV2(server.url, { authProvider: provider })).rejects.toThrow(UnauthorizedError);
    const transport = new StreamableHTTPClientTransport(new URL(server.url), { authProvider: provider });
    await transport.finishAuth(provider.takeCallback());
    const first = await open(() => connectV2(server.url, { authProvider: provider }));
    expect(await first.call("whoami")).toBe(CLIENT_ID);
    expect(decodeJwt(latestToken())).toMatchObject({ sub: "alice", cnf: { jkt: prover.jkt } });

    await agents.pop()?.close();
    server.revokeTokens();
    const requests = recorder();
    const restarted = login({ client: client(), tokens: provider.stored.tokens });
    const second = await open(() => connectV2(server.url, { authProvider: restarted }));
    expect(await second.call("whoami")).toBe(CLIENT_ID);
    expect(requests.token().map(({ body }) => new URLSearchParams(body).get("grant_type"))).toContain("refresh_token");
    expect(() => restarted.takeCallback()).toThrow("log in");
  });
});

describe("an MCP server that refers to another authorization server", () => {
  it("gets no assertion, whether the provider or the function notices", async () => {
    await using other = await authorizationServer();
    await using rogue = await mcpServer({ issuer: as.issuer, advertisedIssuer: other.issuer });
    const connect = (authProvider: HardwareKeyProvider) => connectV2(rogue.url, { authProvider });
    await expect(connect(new HardwareKeyProvider(options()))).rejects.toThrow(as.issuer);

    const careless = new HardwareKeyProvider(options());
    careless.clientInformation = () => ({ client_id: CLIENT_ID });
    const error = await connect(careless).catch((reason) => reason);
    expect(error).toBeInstanceOf(OAuthError);
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining(other.issuer) });
    expect(other.requests.filter(({ method }) => method === "POST")).toEqual([]);
  });
});

describe("HardwareKeyProvider", () => {
  const unbound = { access_token: "unbound", token_type: "Bearer" };

  it("rejects a token that isn't bound to a key, which the SDK would send as Bearer", () => {
    const provider = new HardwareKeyProvider(options());
    expect(() => provider.saveTokens(unbound)).toThrow(expect.objectContaining({ code: "binding" }));
    expect(provider.tokens()).toBeUndefined();
    provider.saveTokens({ ...unbound, token_type: "dpop" });
    expect(provider.tokens()).toBeDefined();
  });

  it("accepts such a token if requireBinding is false", () => {
    const provider = new HardwareKeyProvider({ ...options(), requireBinding: false });
    provider.saveTokens(unbound);
    expect(provider.tokens()).toEqual(unbound);
  });
});

describe("a key of another algorithm", () => {
  it.each(["ES384", "Ed25519", "PS256"] as const)("signs proofs and assertions with %s", async (algorithm) => {
    await using key = MemorySigner.generate({ algorithm });
    await using other = await authorizationServer({ algorithms: [algorithm], clients: [await registration(key)] });
    await using resource = await mcpServer({ issuer: other.issuer, algorithms: [algorithm] });
    const proof = await DPoPProver.create(key);
    const keys = { issuer: other.issuer, clientId: CLIENT_ID, prover: proof, signer: key };
    const agent = await connectV2(resource.url, { authProvider: new HardwareKeyProvider(keys) });
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    await agent.close();
  });
});
