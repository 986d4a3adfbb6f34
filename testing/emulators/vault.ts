/**
 * Emulator of HashiCorp Vault and OpenBao on loopback: the HTTP API of the transit engine, tokens, AppRole, Kubernetes and
 * `sys/health`, with faults planned call by call. It follows OpenBao's source code and its responses.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FaultPlan } from "./fault-plan.js";
import { VaultEngine } from "./vault-engine.js";
import { send, sendFault, type VaultFault } from "./vault-faults.js";
import { type KeyType, TransitError, type TransitKey } from "./vault-keys.js";
import { callOf, route, type VaultCall, type VaultOperation } from "./vault-requests.js";
import type { VaultTokens } from "./vault-tokens.js";

export type { VaultCall, VaultOperation };

/** A running emulator. */
export interface VaultEmulator extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly address: string;
  /** The keys of the transit engine by name. */
  readonly keys: Map<string, TransitKey>;
  /** The tokens, and the roles that can log in. */
  readonly tokens: VaultTokens;
  /** The faults of the next requests, and the requests so far. */
  readonly plan: FaultPlan<Record<VaultOperation, VaultCall>, VaultFault>;
  /** Paths that the policies of all tokens but the root token deny, such as `transit/sign/dpop/sha2-256`. */
  readonly deniedPaths: Set<string>;
  /** The namespaces that exist, besides the root namespace. All have the same keys. */
  readonly namespaces: Set<string>;
  /** Adds a key with one version. Default type: `ecdsa-p256`. `settings` are parameters of the request to create a key. */
  addKey(name: string, type?: KeyType, settings?: Record<string, unknown>): TransitKey;
  /** Adds a version to a key. */
  rotate(name: string): void;
  /** Returns the URI of a key of this server. */
  uriOf(name: string, query?: string): string;
  /** Ends the emulator and its connections. Its keys are lost. */
  close(): Promise<void>;
}

/** Starts the emulator, with a transit engine at `transit`. */
export async function vaultEmulator(): Promise<VaultEmulator> {
  const engine = new VaultEngine();
  const plan = new FaultPlan<Record<VaultOperation, VaultCall>, VaultFault>();
  const server = createServer((request, response) => void handle(engine, plan, request, response));
  // If the server closed an idle connection just as the client reuses it, the client would see an unplanned reset.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    return closed;
  };
  return {
    address: `http://127.0.0.1:${port}`,
    keys: engine.keys,
    tokens: engine.tokens,
    plan,
    deniedPaths: engine.deniedPaths,
    namespaces: engine.namespaces,
    addKey: (name, type, settings) => engine.addKey(name, type, settings),
    rotate: (name) => engine.rotate(name),
    uriOf: (name, query = "") => `vault://127.0.0.1:${port}/transit/${name}?tls=off${query}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Responds to a request, or does what the plan has for it. */
async function handle(
  engine: VaultEngine,
  plan: VaultEmulator["plan"],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const call = await callOf(request);
  const routed = route(call);
  const fault = plan.take(routed.operation, call);
  await plan.work();
  if (fault === "hang") return;
  if (fault === "reset") return void request.socket.resetAndDestroy();
  if (fault === "hang-body") return void response.writeHead(200).write('{"data":');
  if (fault === "garbage") return void response.end('{"data":');
  if (fault === "huge") return void response.end(JSON.stringify({ data: "x".repeat(9 * 1024 * 1024) }));
  // A proxy that shows the whole request in its error.
  if (fault === "echo") return send(response, 400, { errors: [JSON.stringify(call)] });
  if (typeof fault === "object") return sendFault(response, fault);
  try {
    engine.authorize(routed, call);
    const body = engine.operate(routed, call, fault);
    send(response, body ? 200 : 204, body);
  } catch (error) {
    if (!(error instanceof TransitError)) throw error;
    // OpenBao responds to some bad requests with 500, and with its errors in this form.
    const message = error.status === 500 ? `1 error occurred:\n\t* ${error.message}\n\n` : error.message;
    send(response, error.status, { errors: message ? [message] : [] });
  }
}
