/** MCP clients of both versions of the SDK, with keys on a SoftHSM token, at a real MCP server that accepts DPoP only. */
import { StreamableHTTPClientTransport, UnauthorizedError, withDpop } from "@modelcontextprotocol/client";
import { DPoPProver, OAuthError, type Signer } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { connectMcp, type McpAgent, mcpFetch } from "../../examples/clients/mcp-v1.js";
import { addPrivateKeyJwt, dpopSession, HardwareKeyProvider } from "../../examples/clients/mcp-v2.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../servers/authorization-server.js";
import type { RecordedRequest } from "../servers/loopback-server.js";
import { mcpServer, type RunningMcpServer } from "../servers/mcp-server.js";
import { type Agent, agentV1, connectV2 } from "./mcp-agents.js";
import { LoginProvider, type LoginState } from "./mcp-login.js";

const CLIENT_ID = "mcp-agent";
const REDIRECT_URI = "http://127.0.0.1/callback";

let hsm: SoftHsm;
let signer: Signer;
let prover: DPoPProver;
let as: AuthorizationServer;
let server: RunningMcpServer;
beforeAll(async () => {
  hsm = await softHsm({ label: "agents" });
  await hsm.addKey({ label: "assertions", id: "02", algorithm: "ES256" });
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
    const requests = recorder();
    await agent.call("whoami");
    server.rotateNonce();
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    expect(requests.mcp().map(({ status }) => status)).toEqual([200, 401, 200]);
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

describe("mcpFetch", () => {
  it("sends nothing to another origin than that of the MCP server", async () => {
    const call = await mcpFetch(options());
    await expect(call(`${as.issuer}/mcp`)).rejects.toMatchObject({ code: "forbidden-origin" });
  });
});

describe("a thief with the token and another key", () => {
  it("is rejected by the MCP server, even with its current nonce", async () => {
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
  const stored = (clientId: string) => ({ client: { client_id: clientId, issuer: as.issuer } });
  const login = (by: DPoPProver, state: LoginState) => new LoginProvider(dpopSession(by), REDIRECT_URI, state);
  const connect = (authProvider: LoginProvider) => open(() => connectV2(server.url, { authProvider }));

  async function logIn(provider: LoginProvider): Promise<Agent> {
    await expect(connectV2(server.url, { authProvider: provider })).rejects.toThrow(UnauthorizedError);
    const transport = new StreamableHTTPClientTransport(new URL(server.url), { authProvider: provider });
    await transport.finishAuth(provider.takeCallback());
    return connect(provider);
  }

  it("binds the token of an authorization code to the key, with client authentication by another key", async () => {
    const requests = recorder();
    const authentication = {
      addClientAuthentication: addPrivateKeyJwt({ issuer: as.issuer, clientId: CLIENT_ID, signer }),
    };
    const agent = await logIn(Object.assign(login(prover, stored(CLIENT_ID)), authentication));
    expect(await agent.call("whoami")).toBe(CLIENT_ID);
    expect(decodeJwt(latestToken())).toMatchObject({ sub: "alice", cnf: { jkt: prover.jkt } });
    expect(requests.token().map(assertionOf)).toContainEqual(
      expect.objectContaining({ iss: CLIENT_ID, aud: as.issuer }),
    );
  });

  it("refreshes the token of a public client after a restart, with the same key only", async () => {
    const { clientId } = as.clients.public;
    const provider = login(prover, stored(clientId));
    await logIn(provider);
    await agents.pop()?.close();
    server.revokeTokens();

    const { tokens } = provider.stored;
    const warnings = vi.spyOn(console, "warn").mockReturnValue(undefined);
    const thief = login(await DPoPProver.generate(), { ...stored(clientId), tokens });
    await expect(connectV2(server.url, { authProvider: thief })).rejects.toMatchObject({ code: "invalid_grant" });
    expect(warnings).toHaveBeenCalled();
    warnings.mockRestore();
    const restarted = login(prover, { ...stored(clientId), tokens });
    expect(await (await connect(restarted)).call("whoami")).toBe(clientId);
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
