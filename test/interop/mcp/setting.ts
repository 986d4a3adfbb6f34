/** What the scenarios with MCP share: a server and clients of the official SDK, and keys on a SoftHSM token. */
import { clientJwks, DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import type { ClientMetadata } from "oidc-provider";
import { connectMcp, mcpFetch } from "../../../examples/clients/mcp-v1.js";
import { HardwareKeyProvider } from "../../../examples/clients/mcp-v2.js";
import { type Agent, agentV1, connectV2 } from "../../clients/mcp-agents.js";
import { confidential } from "../../servers/authorization-server.js";
import { mcpServer, type RunningMcpServer } from "../../servers/mcp-server.js";
import { type OidcProvider, oidcProvider } from "../oidc-provider/server.js";
import { check, type Scenario } from "../scenario.js";

/** The client that is registered with the key of its assertions. */
export const CLIENT_ID = "mcp-agent";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  /** The authorization server. Clients can register themselves there. */
  readonly issuer: OidcProvider;
  readonly server: RunningMcpServer;
  readonly prover: DPoPProver;
  /** Signs client assertions. */
  readonly clientKey: Signer;
  /** Somebody else's key. */
  readonly thief: DPoPProver;
}

/** Starts the servers and the token, and runs the work. */
export async function withSetting(scenario: Scenario, work: (setting: Setting) => Promise<void>): Promise<void> {
  await using hsm = await softHsm({ label: "mcp" });
  await hsm.addKey({ label: "client", id: "02", algorithm: "ES256" });
  await hsm.addKey({ label: "thief", id: "03", algorithm: "ES256" });
  const signerOf = (key: string) => new Pkcs11Signer({ module: hsm.module, token: hsm.token, key, pin: hsm.pin });
  await using signer = signerOf(hsm.key.label);
  await using clientKey = signerOf("client");
  await using thiefKey = signerOf("thief");
  await using issuer = await oidcProvider({ registration: {}, clients: [await registrationOf(clientKey)] });
  await using server = await mcpServer({ issuer: issuer.issuer });
  const [prover, thief] = await Promise.all([DPoPProver.create(signer), DPoPProver.create(thiefKey)]);
  await work({ scenario, issuer, server, prover, clientKey, thief });
}

async function registrationOf(clientKey: Signer): Promise<ClientMetadata> {
  return {
    ...confidential,
    client_id: CLIENT_ID,
    token_endpoint_auth_method: "private_key_jwt",
    jwks: (await clientJwks(clientKey)) as NonNullable<ClientMetadata["jwks"]>,
  };
}

/** What a client needs. */
export function agentOptions({ issuer, server, prover, clientKey }: Setting) {
  return {
    server: new URL(server.url),
    issuer: issuer.issuer,
    clientId: CLIENT_ID,
    scope: "read",
    prover,
    signer: clientKey,
  };
}

/** The ways in which the two versions of the SDK connect. */
export const CLIENTS: Readonly<Record<string, (setting: Setting) => Promise<Agent>>> = {
  "SDK 1 with dpopFetch": async (setting) => agentV1(await connectMcp(agentOptions(setting))),
  "SDK 2 with dpopFetch": async (setting) =>
    connectV2(setting.server.url, { fetch: await mcpFetch(agentOptions(setting)) }),
  "SDK 2 with its own OAuth": (setting) =>
    connectV2(setting.server.url, { authProvider: new HardwareKeyProvider(agentOptions(setting)) }),
};

/**
 * Waits until a condition holds.
 *
 * @throws {Error} If it doesn't hold after 20 seconds.
 */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end && !condition(); )
    await new Promise((resolve) => setTimeout(resolve, 20));
  check(condition(), `after 20 s: ${what}`);
}

/** Returns the requests to the MCP server since now. */
export function requestsSince({ requests }: RunningMcpServer) {
  const start = requests.length;
  const since = () => requests.slice(start).filter(({ url }) => url === "/mcp");
  return {
    since,
    statuses: () =>
      since()
        .map(({ method, status }) => `${method} ${status}`)
        .join(", "),
  };
}

/** Runs work with a connected client, after its stream of notifications is open. */
export async function withAgent<T>(
  setting: Setting,
  connect: (setting: Setting) => Promise<Agent>,
  work: (agent: Agent) => Promise<T>,
): Promise<T> {
  const { since } = requestsSince(setting.server);
  const agent = await connect(setting);
  try {
    await until(() => since().some(({ method, status }) => method === "GET" && status === 200), "no stream is open");
    return await work(agent);
  } finally {
    await agent.close();
  }
}
