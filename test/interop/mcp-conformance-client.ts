/**
 * The client that the MCP conformance suite starts, with the URL of a server as its last argument: version 2 of the SDK,
 * whose proofs are signed by a key on a SoftHSM token. It gets a token by a login, or by the suite's own client key if
 * the scenario has one, lists the tools, and calls each of them.
 */
import {
  Client,
  discoverOAuthServerInfo,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";
import { DPoPProver } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { dpopSession, HardwareKeyProvider } from "../../examples/clients/mcp-v2.js";
import { LoginProvider } from "../clients/mcp-login.js";

const REDIRECT_URI = "http://localhost:3000/callback";
/** Since this version of the protocol there is no handshake, and the SDK asks the server which version it has. */
const STATELESS = "2026-07-28";
const { MCP_CONFORMANCE_PROTOCOL_VERSION: version = "", MCP_CONFORMANCE_CONTEXT: context = "{}" } = process.env;
const versionNegotiation = { mode: version >= STATELESS ? "auto" : "legacy" } as const;

/** Returns a provider with the client's id and key if the suite has registered them, otherwise one that logs in. */
async function providerFor(server: URL, prover: DPoPProver): Promise<OAuthClientProvider> {
  const { client_id: clientId, private_key_pem: pem } = JSON.parse(context);
  if (pem === undefined) return new LoginProvider(dpopSession(prover), REDIRECT_URI);
  const { authorizationServerMetadata } = await discoverOAuthServerInfo(server);
  const issuer = authorizationServerMetadata?.issuer ?? "";
  // The scenario's server issues Bearer tokens.
  return new HardwareKeyProvider({
    issuer,
    clientId,
    prover,
    signer: MemorySigner.fromPem(pem),
    requireBinding: false,
  });
}

/** Connects, after a login if the server asks for one. */
async function connect(server: URL, authProvider: OAuthClientProvider): Promise<Client> {
  const transport = new StreamableHTTPClientTransport(server, { authProvider });
  const client = new Client({ name: "hardproof", version: "1.0.0" }, { versionNegotiation });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError && authProvider instanceof LoginProvider)) throw error;
    await transport.finishAuth(authProvider.takeCallback());
    return connect(server, authProvider);
  }
}

const server = new URL(process.argv.at(-1) ?? "");
await using hsm = await softHsm({ label: "agents" });
await using signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
const prover = await DPoPProver.create(signer, { require: {} });
const client = await connect(server, await providerFor(server, prover));
const { tools } = await client.listTools();
for (const { name } of tools) await client.callTool({ name, arguments: {} });
await client.close();
