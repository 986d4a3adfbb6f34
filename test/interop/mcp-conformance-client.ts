/**
 * The client that the MCP conformance suite starts, with the URL of a server as its last argument: version 2 of the SDK,
 * whose proofs are signed by a key on a SoftHSM token. It logs in if the server asks for a token, lists the tools, and
 * calls each of them.
 */
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { dpopSession } from "../../examples/clients/mcp-v2.js";
import { softHsm } from "../../softhsm/index.js";
import { LoginProvider } from "../clients/mcp-login.js";

const REDIRECT_URI = "http://localhost:3000/callback";

/** Connects, after a login if there is no token yet. */
async function connect(server: URL, authProvider: LoginProvider): Promise<Client> {
  const transport = new StreamableHTTPClientTransport(server, { authProvider });
  const client = new Client({ name: "hardproof", version: "1.0.0" });
  try {
    await client.connect(transport);
    return client;
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !authProvider.callback) throw error;
    await transport.finishAuth(authProvider.callback);
    authProvider.callback = undefined;
    return connect(server, authProvider);
  }
}

const server = new URL(process.argv.at(-1) ?? "");
await using hsm = await softHsm({ label: "agents" });
await using signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
const prover = await DPoPProver.create(signer, { require: {} });
const client = await connect(server, new LoginProvider(dpopSession(prover), REDIRECT_URI));
const { tools } = await client.listTools();
for (const { name } of tools) await client.callTool({ name, arguments: {} });
await client.close();
