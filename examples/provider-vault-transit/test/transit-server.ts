/**
 * An HTTP server with the wire format of Vault's transit engine. It creates real keys and signatures, and responds with
 * a 4xx status to requests that Vault would reject.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import {
  describeKey,
  generateVersion,
  isKeyType,
  type KeyType,
  signInput,
  TransitError,
  type TransitKey,
} from "./transit-keys.js";

/** A fault of the next request of an operation. `hang` applies to all of its requests until `recover()`. */
export type Fault =
  | { status: number; errors?: string[]; location?: string }
  | "hang"
  | "garbage"
  | "other-version"
  | "other-key"
  | "longest-salt"
  | "reset";
type Operation = "read" | "sign" | "create" | "list";

/** A request that the server received. */
export interface RecordedRequest {
  readonly operation: Operation | undefined;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Record<string, unknown>;
}

/** A running server. */
export class TransitServer {
  readonly token = "hvs.s3cr3t-token-of-the-tests";
  readonly requests: RecordedRequest[] = [];
  readonly #keys = new Map<string, TransitKey>();
  readonly #faults = new Map<Operation, Fault[]>();
  readonly #http = createServer((request, response) => void this.#handle(request, response));
  #port = 0;

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#http.listen(0, "127.0.0.1", resolve));
    const address = this.#http.address();
    if (address === null || typeof address === "string") throw new Error("The server isn't listening on a port.");
    this.#port = address.port;
    return this;
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  uriOf(name: string, query = ""): string {
    return `vault-transit://127.0.0.1:${this.#port}/transit/${name}?tls=off${query}`;
  }

  addKey(name: string, type: KeyType = "ecdsa-p256", settings: Record<string, unknown> = {}): void {
    this.#keys.set(name, { type, settings, versions: [generateVersion(type)] });
  }

  rotate(name: string): void {
    const key = this.#keys.get(name);
    key?.versions.push(generateVersion(key.type));
  }

  count(operation: Operation): number {
    return this.requests.filter((request) => request.operation === operation).length;
  }

  fail(operation: Operation, ...faults: Fault[]): void {
    this.#faults.set(operation, faults);
  }

  recover(): void {
    this.#faults.clear();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url = "", headers } = request;
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {};
    const { operation, name = "", hash } = route(method, url);
    this.requests.push({ operation, method, url, headers, body });
    const send = (status: number, json: object) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
    };
    if (headers["x-vault-token"] !== this.token) return send(403, { errors: ["permission denied"] });
    if (operation === undefined) return send(404, { errors: [`no handler for route "${url}"`] });
    const fault = this.#nextFault(operation);
    if (fault === "hang") return;
    if (fault === "reset") return void request.socket.destroy();
    if (fault === "garbage") return void response.end("<html>");
    if (typeof fault === "object") {
      if (fault.location) response.setHeader("location", fault.location);
      return send(fault.status, { errors: fault.errors ?? [] });
    }
    try {
      send(200, this.#operate(operation, { name, hash, body, fault }));
    } catch (error) {
      if (!(error instanceof TransitError)) throw error;
      // OpenBao responds to some bad requests with 500, and with its errors in this form.
      const message = error.status === 500 ? `1 error occurred:\n\t* ${error.message}\n\n` : error.message;
      send(error.status, { errors: message ? [message] : [] });
    }
  }

  #nextFault(operation: Operation): Fault | undefined {
    const faults = this.#faults.get(operation) ?? [];
    return faults[0] === "hang" ? "hang" : faults.shift();
  }

  #operate(operation: Operation, { name, hash, body, fault }: Arguments): object {
    const key = this.#keys.get(name);
    if (operation === "list") return { data: { keys: [...this.#keys.keys()] } };
    if (operation === "create") return this.#create(name, body);
    if (operation === "sign") return signWith(key, { hash, body, fault });
    if (key === undefined) throw new TransitError("", 404);
    return { data: describeKey(name, key) };
  }

  #create(name: string, { type = "aes256-gcm96", ...settings }: Record<string, unknown>): object {
    const exists = this.#keys.has(name);
    if (!isKeyType(type)) throw new TransitError(`unknown key type ${type}`);
    if (!exists) this.addKey(name, type, settings);
    const key = this.#keys.get(name);
    return { data: key && describeKey(name, key), warnings: exists ? [`key ${name} already existed`] : null };
  }
}

interface Arguments {
  readonly name: string;
  readonly hash: string | undefined;
  readonly body: Record<string, unknown>;
  readonly fault: Fault | undefined;
}

function route(method: string, url: string): { operation?: Operation; name?: string; hash?: string } {
  const patterns: [RegExp, Operation][] = [
    [/^GET \/v1\/transit\/keys\?list=true$/, "list"],
    [/^GET \/v1\/transit\/keys\/(?<name>[\w.-]+)$/, "read"],
    [/^POST \/v1\/transit\/keys\/(?<name>[\w.-]+)$/, "create"],
    [/^POST \/v1\/transit\/sign\/(?<name>[\w.-]+)(\/(?<hash>[\w-]+))?$/, "sign"],
  ];
  for (const [pattern, operation] of patterns) {
    const match = pattern.exec(`${method} ${url}`);
    if (match) return { operation, ...match.groups };
  }
  return {};
}

function signWith(key: TransitKey | undefined, { hash, body, fault }: Omit<Arguments, "name">): object {
  if (key === undefined) throw new TransitError("signing key not found");
  const { key_version } = body;
  if (typeof key_version !== "number") throw new TransitError("the tests expect key_version");
  const version = fault === "other-key" ? generateVersion(key.type) : key.versions[key_version - 1];
  if (version === undefined)
    throw new TransitError("requested version for signing is higher than the latest key version", 500);
  const understood = fault === "longest-salt" ? { ...body, salt_length: undefined } : body;
  const signature = signInput(key, version, understood, hash).toString("base64url");
  const reported = fault === "other-version" ? key_version + 1 : key_version;
  return { data: { signature: `vault:v${reported}:${signature}`, key_version: reported } };
}
