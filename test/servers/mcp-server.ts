/** A real MCP server on loopback, that of the SDK, behind a resource server's checks: it accepts DPoP-bound tokens only. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import { AccessError } from "./access-error.js";
import { byOauth4webapi, issuerMetadata } from "./by-oauth4webapi.js";
import { loopbackServer, type RecordedRequest } from "./loopback-server.js";
import { challengeNonce, newNonce, replayDetector } from "./resource-server.js";
import { StoredEvents } from "./stored-events.js";

/** Options of {@link mcpServer}. */
export interface McpServerOptions {
  /** The issuer of a running authorization server, whose metadata and keys are fetched. */
  issuer: string;
  /** The authorization server in the metadata. Default: `issuer`. */
  advertisedIssuer?: string;
  /** The JWS algorithms in the metadata and in challenges. Default: `ES256`. */
  algorithms?: readonly string[];
}

/** A running MCP server. Its tools are `whoami`, which returns the client's id, and `announce`, which sends a notification. */
export interface RunningMcpServer extends AsyncDisposable {
  /** The endpoint, which is also the audience of tokens. */
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  /** Makes the current nonce stale. */
  rotateNonce(): void;
  /** Rejects every token that was accepted so far. */
  revokeTokens(): void;
  /** Closes the connections of the streams that clients opened by GET. The sessions remain, and their events are stored. */
  cutStreams(): void;
  close(): Promise<void>;
}

const PATH = "/mcp";
const METADATA = `/.well-known/oauth-protected-resource${PATH}`;
const SCOPE = "read";

/** Starts an MCP server. It requires a nonce of its own, and rejects replayed proofs. */
export async function mcpServer(options: McpServerOptions): Promise<RunningMcpServer> {
  const { issuer, advertisedIssuer = issuer, algorithms = ["ES256"] } = options;
  const metadata = await issuerMetadata(issuer);
  const { origin, http, requests, close } = await loopbackServer();
  const url = origin + PATH;
  const nonce = { current: newNonce() };
  const tokens = revocations();
  const streams = new Set<ServerResponse>();

  const app = express().disable("x-powered-by");
  app.get(METADATA, (_req, res) => {
    res.json({ ...resourceMetadata(url, algorithms), authorization_servers: [advertisedIssuer] });
  });
  app.use(PATH, express.json(), challengeNonce(nonce), byOauth4webapi({ metadata, audiences: [url], origin }));
  app.get(PATH, (_req, res, next) => {
    streams.add(res);
    res.once("close", () => streams.delete(res));
    next();
  });
  app.all(PATH, replayDetector(), tokens.check, sessions());
  app.use(sendChallenge(`${origin}${METADATA}`, algorithms));
  http.on("request", app);

  return {
    url,
    requests,
    rotateNonce() {
      nonce.current = newNonce();
    },
    revokeTokens: tokens.revoke,
    cutStreams() {
      for (const stream of streams) stream.destroy();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Protected resource metadata (RFC 9728 §2). */
function resourceMetadata(resource: string, algorithms: readonly string[]) {
  return {
    resource,
    scopes_supported: [SCOPE],
    bearer_methods_supported: ["header"],
    dpop_bound_access_tokens_required: true,
    dpop_signing_alg_values_supported: algorithms,
  };
}

function revocations(): { check: RequestHandler; revoke(): void } {
  const accepted = new Set<unknown>();
  const revoked = new Set<unknown>();
  return {
    check(req, _res, next) {
      const jti = req.auth?.payload.jti;
      if (revoked.has(jti)) throw new AccessError("invalid_token", "The token was revoked");
      accepted.add(jti);
      next();
    },
    revoke() {
      for (const jti of accepted) revoked.add(jti);
    },
  };
}

/** Each session has a server of its own, as the SDK requires. */
function sessions(): RequestHandler {
  const transports = new Map<string, StreamableHTTPServerTransport>();
  return async (req, res) => {
    const { client_id: clientId = "" } = req.auth?.payload ?? {};
    const auth = { token: "", clientId: String(clientId), scopes: [SCOPE] };
    const transport = transports.get(req.get("mcp-session-id") ?? "") ?? (await newSession(transports));
    await handle(transport, Object.assign<IncomingMessage, { auth: AuthInfo }>(req, { auth }), res, req.body);
  };
}

function handle(
  transport: StreamableHTTPServerTransport,
  req: IncomingMessage & { auth: AuthInfo },
  res: ServerResponse,
  body: unknown,
): Promise<void> {
  return transport.handleRequest(req, res, body);
}

async function newSession(transports: Map<string, StreamableHTTPServerTransport>) {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    eventStore: new StoredEvents(),
    onsessioninitialized: (id) => void transports.set(id, transport),
  });
  await agentTools().connect(transport as Transport);
  return transport;
}

function agentTools(): McpServer {
  const server = new McpServer({ name: "test", version: "1.0.0" }, { capabilities: { logging: {} } });
  const text = (value: string) => ({ content: [{ type: "text" as const, text: value }] });
  server.registerTool("whoami", { description: "Returns the client's id" }, ({ authInfo }) =>
    text(String(authInfo?.clientId)),
  );
  // Without the id of a request, a notification is sent on the stream that the client opened by GET.
  server.registerTool("announce", { description: "Sends a notification" }, async () => {
    await server.sendLoggingMessage({ level: "info", data: "announced" });
    return text("sent");
  });
  return server;
}

/** A challenge has an error only if the request had a token (RFC 6750 §3.1). */
function sendChallenge(metadataUrl: string, algorithms: readonly string[]): ErrorRequestHandler {
  return (thrown: unknown, req, res, _next) => {
    if (!(thrown instanceof AccessError)) {
      res.status(500).json({ error: "server_error", error_description: String(thrown) });
      return;
    }
    const { error, message } = thrown;
    const fields = { algs: algorithms.join(" "), resource_metadata: metadataUrl, scope: SCOPE };
    const reason = req.get("authorization") === undefined ? {} : { error, error_description: message };
    const parameters = Object.entries({ ...reason, ...fields }).map(
      ([name, value]) => `${name}="${value.replaceAll('"', "'")}"`,
    );
    res.set("WWW-Authenticate", `DPoP ${parameters.join(", ")}`);
    res.status(401).json({ error, error_description: message });
  };
}
