/**
 * Emulator of HashiCorp Vault and OpenBao on loopback: the HTTP API of the transit engine, tokens, AppRole, Kubernetes and
 * `sys/health`, with faults planned call by call. It follows OpenBao's source code and its responses.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { FaultPlan } from "./fault-plan.js";
import { send, sendFault, signatureOf, type VaultFault } from "./vault-faults.js";
import {
  describeKey,
  generateVersion,
  isKeyType,
  type KeyType,
  type SignParameters,
  TransitError,
  type TransitKey,
} from "./vault-keys.js";
import { VaultTokens } from "./vault-tokens.js";

/** What a request is for. */
export type VaultOperation =
  | "read"
  | "sign"
  | "create"
  | "configure"
  | "delete"
  | "list"
  | "login"
  | "lookup"
  | "renew"
  | "revoke"
  | "capabilities"
  | "health"
  | "unknown";

/** A request that the server received. */
export interface VaultCall {
  /** The HTTP method. */
  readonly method: string;
  /** The path with the query, such as `/v1/transit/keys/dpop`. */
  readonly url: string;
  /** The headers, with names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** The members of the JSON body. Empty if there is no body. */
  readonly body: Readonly<Record<string, unknown>>;
}

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

interface Routed extends SignParameters {
  readonly operation: VaultOperation;
  readonly path: string;
  readonly name: string;
}

const ROUTES: readonly (readonly [RegExp, VaultOperation])[] = [
  [/^GET transit\/keys\?list=true$/, "list"],
  [/^GET transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)$/, "read"],
  [/^POST transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)$/, "create"],
  [/^POST transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)\/config$/, "configure"],
  [/^DELETE transit\/keys\/(?<name>\w(?:[\w.-]*\w)?)$/, "delete"],
  [/^POST transit\/sign\/(?<name>\w(?:[\w.-]*\w)?)(?:\/(?<hash>[\w-]+))?$/, "sign"],
  [/^POST auth\/(?<name>[\w/-]+)\/login$/, "login"],
  [/^GET auth\/token\/lookup-self$/, "lookup"],
  [/^POST auth\/token\/renew-self$/, "renew"],
  [/^POST auth\/token\/revoke-self$/, "revoke"],
  [/^POST sys\/capabilities-self$/, "capabilities"],
  [/^GET sys\/health$/, "health"],
];

/** Starts the emulator, with a transit engine at `transit`. */
export async function vaultEmulator(): Promise<VaultEmulator> {
  const keys = new Map<string, TransitKey>();
  const tokens = new VaultTokens();
  const plan = new FaultPlan<Record<VaultOperation, VaultCall>, VaultFault>();
  const deniedPaths = new Set<string>();
  const namespaces = new Set<string>();

  const addKey: VaultEmulator["addKey"] = (name, type = "ecdsa-p256", settings = {}) => {
    const key = { type, settings, versions: [generateVersion(type, settings)] };
    keys.set(name, key);
    return key;
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
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
      authorize(routed, call);
      const body = operate(routed, call, fault);
      send(response, body ? 200 : 204, body);
    } catch (error) {
      if (!(error instanceof TransitError)) throw error;
      // OpenBao responds to some bad requests with 500, and with its errors in this form.
      const message = error.status === 500 ? `1 error occurred:\n\t* ${error.message}\n\n` : error.message;
      send(response, error.status, { errors: message ? [message] : [] });
    }
  };

  const authorize = ({ operation, path }: Routed, { headers }: VaultCall) => {
    const namespace = headers["x-vault-namespace"];
    if (namespace !== undefined && !namespaces.has(String(namespace)))
      throw new TransitError("namespace not found", 404);
    if (operation === "login" || operation === "health") return;
    const token = tokenOf(headers);
    if (!tokens.isValid(token)) throw new TransitError("permission denied", 403);
    if (operation === "unknown") throw new TransitError(`no handler for route "${path}". route entry not found.`, 404);
    if (token !== tokens.root && deniedPaths.has(path))
      throw new TransitError("1 error occurred:\n\t* permission denied\n\n", 403);
  };

  const operate = (routed: Routed, { headers }: VaultCall, fault: VaultFault | undefined): object | undefined => {
    const { operation, name, body } = routed;
    const token = tokenOf(headers) ?? "";
    const key = keys.get(name);
    switch (operation) {
      case "list":
        if (keys.size === 0) throw new TransitError("", 404);
        return { data: { keys: [...keys.keys()] } };
      case "create":
        return create(name, body);
      case "configure":
        if (key === undefined) throw new TransitError(`no existing key named ${name} could be found`);
        Object.assign(key.settings, body);
        return undefined;
      case "delete":
        deleteKey(name);
        return undefined;
      case "sign":
        return { data: signatureOf(key, routed, fault) };
      case "login":
        return { auth: tokens.logIn(name, body) };
      case "lookup":
        return { data: tokens.lookUp(token) };
      case "renew":
        return { auth: tokens.renew(token) };
      case "revoke":
        tokens.revoke(token);
        return undefined;
      case "capabilities":
        return capabilitiesOf(body.paths, token);
      case "health":
        return { initialized: true, sealed: false, standby: false, version: "2.7.2" };
      default:
        if (key === undefined) throw new TransitError("", 404);
        return { data: describeKey(fault === "other-name" ? `${name}-2` : name, key) };
    }
  };

  const create = (name: string, { type = "aes256-gcm96", ...settings }: Routed["body"]) => {
    const exists = keys.get(name);
    if (!isKeyType(type) || type === "managed_key") throw new TransitError(`unknown key type ${type}`);
    const key = exists ?? addKey(name, type, settings);
    return { data: describeKey(name, key), warnings: exists ? [`key ${name} already existed`] : null };
  };

  const deleteKey = (name: string) => {
    const refused = `error deleting policy ${name}: `;
    const key = keys.get(name);
    if (key === undefined) throw new TransitError(`${refused}could not delete key; not found`);
    if (key.settings.deletion_allowed !== true)
      throw new TransitError(`${refused}deletion is not allowed for this key`);
    keys.delete(name);
  };

  const capabilitiesOf = (paths: unknown, token: string) => {
    const capabilities = Array.isArray(paths)
      ? paths.map((path) => [path, [token === tokens.root ? "root" : deniedPaths.has(path) ? "deny" : "update"]])
      : [];
    return { data: Object.fromEntries(capabilities) };
  };

  const server = createServer((request, response) => void handle(request, response));
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
    keys,
    tokens,
    plan,
    deniedPaths,
    namespaces,
    addKey,
    rotate: (name) => {
      const key = keys.get(name);
      key?.versions.push(generateVersion(key.type, key.settings));
    },
    uriOf: (name, query = "") => `vault://127.0.0.1:${port}/transit/${name}?tls=off${query}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function callOf(request: IncomingMessage): Promise<VaultCall> {
  const { method = "", url = "", headers } = request;
  const body = await text(request);
  return { method, url, headers, body: body === "" ? {} : JSON.parse(body) };
}

function route({ method, url, body }: VaultCall): Routed {
  const path = url.replace(/^\/v1\//, "");
  for (const [pattern, operation] of ROUTES) {
    const match = pattern.exec(`${method} ${path}`);
    if (match) return { operation, path, name: match.groups?.name ?? "", hash: match.groups?.hash, body };
  }
  return { operation: "unknown", path, name: "", hash: undefined, body };
}

function tokenOf({ "x-vault-token": token }: IncomingHttpHeaders): string | undefined {
  return typeof token === "string" ? token : undefined;
}
