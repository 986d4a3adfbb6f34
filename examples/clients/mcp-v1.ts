/**
 * An MCP client whose token is bound to a key in hardware, with version 1 of the SDK, `@modelcontextprotocol/sdk`. The
 * SDK doesn't know about DPoP: its transport gets a `fetch` that does, and no `authProvider`. The same `fetch` works with
 * version 2.
 *
 * ```ts
 * const client = await connectMcp({ server, issuer, clientId: "agent-7", scope: "read", prover, signer });
 * const result = await client.callTool({ name: "hello" });
 * ```
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import { type DPoPProver, dpopFetch, OAuthClient, type Signer, tokenSource } from "hardproof";

/** Options of {@link connectMcp} and {@link mcpFetch}. */
export interface McpAgent {
  /** The URL of the MCP server. It is also the resource that tokens are requested for (RFC 8707). */
  server: URL;
  /** The issuer identifier of the authorization server. */
  issuer: string;
  clientId: string;
  scope?: string | undefined;
  /** Makes the proofs. Tokens are bound to its key. */
  prover: DPoPProver;
  /** Signs the client assertions (`private_key_jwt`). May be the prover's signer or another one. */
  signer: Signer;
}

/** Connects to the MCP server. The key signs for each of its requests, including the stream of notifications. */
export async function connectMcp(agent: McpAgent): Promise<Client> {
  const client = new Client({ name: agent.clientId, version: "1.0.0" });
  const transport = new StreamableHTTPClientTransport(agent.server, { fetch: await mcpFetch(agent) });
  // The SDK's own types disagree under `exactOptionalPropertyTypes`.
  await client.connect(transport as Transport);
  return client;
}

/**
 * Creates the transport's `fetch`. It sends a bound token and a new proof in each request, retries after a nonce
 * challenge, replaces a rejected token, and sends nothing to another origin.
 *
 * @throws {OAuthError} If the authorization server's metadata can't be read.
 */
export async function mcpFetch({ server, issuer, clientId, scope, prover, signer }: McpAgent): Promise<typeof fetch> {
  const clientAuth = { method: "private_key_jwt", signer } as const;
  const client = await OAuthClient.discover(issuer, { clientAuth, requireBinding: true });
  const grant = { grantType: "client_credentials", clientId, scope, extra: { resource: server.href } };
  return dpopFetch({ prover, token: tokenSource({ client, prover, ...grant }), allowedOrigins: [server.origin] });
}
