/**
 * An HTTP server with the wire format of Vault's transit engine. It creates real keys and signatures, and responds with
 * a 4xx status to requests that Vault would reject.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { signDigest } from "../../../test/emulators/ecdsa-digest.js";

/** A fault of the next request of an operation. `hang` applies to all of its requests until `recover()`. */
export type Fault =
  | { status: number; errors?: string[]; location?: string }
  | "hang"
  | "garbage"
  | "other-version"
  | "other-key"
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

interface Key {
  readonly type: "ecdsa-p256" | "ecdsa-p384" | "aes256-gcm96";
  readonly settings: Record<string, unknown>;
  /** In order, starting with version 1. */
  readonly versions: KeyObject[];
}

/** A running server. */
export class TransitServer {
  readonly token = "hvs.s3cr3t-token-of-the-tests";
  readonly requests: RecordedRequest[] = [];
  readonly #keys = new Map<string, Key>();
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

  addKey(name: string, type: Key["type"] = "ecdsa-p256", settings: Record<string, unknown> = {}): void {
    this.#keys.set(name, { type, settings, versions: [keyOf(type)] });
  }

  rotate(name: string): void {
    const key = this.#keys.get(name);
    key?.versions.push(keyOf(key.type));
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
    const [, operation, name] = route(method, url);
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
    const [status, json] = this.#operate(operation, name ?? "", body, fault);
    send(status, json);
  }

  #nextFault(operation: Operation): Fault | undefined {
    const faults = this.#faults.get(operation) ?? [];
    return faults[0] === "hang" ? "hang" : faults.shift();
  }

  #operate(
    operation: Operation,
    name: string,
    body: Record<string, unknown>,
    fault: Fault | undefined,
  ): [number, object] {
    const key = this.#keys.get(name);
    if (operation === "list") return [200, { data: { keys: [...this.#keys.keys()] } }];
    if (operation === "create") {
      if (key === undefined) this.addKey(name, "ecdsa-p256", body);
      const warnings = key ? [`key ${name} already existed`] : null;
      return [200, { data: dataOf(name, this.#keys.get(name)), warnings }];
    }
    if (operation === "read") return key ? [200, { data: dataOf(name, key) }] : [404, { errors: [] }];
    return key ? sign(key, body, fault) : [400, { errors: ["signing key not found"] }];
  }
}

function route(method: string, url: string): [string, Operation | undefined, string | undefined] {
  const patterns: [RegExp, Operation][] = [
    [/^GET \/v1\/transit\/keys\?list=true$/, "list"],
    [/^GET \/v1\/transit\/keys\/([\w.-]+)$/, "read"],
    [/^POST \/v1\/transit\/keys\/([\w.-]+)$/, "create"],
    [/^POST \/v1\/transit\/sign\/([\w.-]+)\/sha2-256$/, "sign"],
  ];
  for (const [pattern, operation] of patterns) {
    const match = pattern.exec(`${method} ${url}`);
    if (match) return [url, operation, match[1]];
  }
  return [url, undefined, undefined];
}

function sign(key: Key, body: Record<string, unknown>, fault: Fault | undefined): [number, object] {
  const { input, prehashed, marshaling_algorithm, key_version } = body;
  const digest = typeof input === "string" ? Buffer.from(input, "base64") : Buffer.alloc(0);
  if (digest.toString("base64") !== input) return [400, { errors: ["unable to decode input as base64"] }];
  if (prehashed !== true || digest.length !== 32) return [400, { errors: ["expected a SHA-256 digest"] }];
  if (marshaling_algorithm !== "jws") return [400, { errors: ["expected marshaling_algorithm jws"] }];
  if (typeof key_version !== "number") return [400, { errors: ["expected key_version"] }];
  const signing = fault === "other-key" ? keyOf("ecdsa-p256") : key.versions[key_version - 1];
  if (signing === undefined) return [400, { errors: ["invalid key version"] }];
  const version = fault === "other-version" ? key_version + 1 : key_version;
  const signature = joseForm(signDigest(signing, digest)).toString("base64url");
  return [200, { data: { signature: `vault:v${version}:${signature}`, key_version: version } }];
}

/** Converts `30 len 02 len r 02 len s` to r‖s, 32 bytes each. */
function joseForm(der: Uint8Array): Buffer {
  const sStart = 4 + (der[3] ?? 0);
  const [r, s] = [der.subarray(4, sStart), der.subarray(sStart + 2)];
  return Buffer.concat([r, s].map((integer) => Buffer.concat([Buffer.alloc(32), integer]).subarray(-32)));
}

function dataOf(name: string, key: Key | undefined): object {
  const versions = key?.versions ?? [];
  const publicKeys = versions.map((version, n) => [
    String(n + 1),
    { name: "P-256", creation_time: "2026-01-01T00:00:00Z", public_key: publicPem(version) },
  ]);
  const symmetric = key?.type === "aes256-gcm96";
  return {
    name,
    type: key?.type,
    derived: false,
    deletion_allowed: false,
    exportable: false,
    allow_plaintext_backup: false,
    imported_key: false,
    supports_signing: !symmetric,
    latest_version: versions.length,
    min_available_version: 0,
    min_decryption_version: 1,
    min_encryption_version: 0,
    keys: symmetric ? { 1: 1767225600 } : Object.fromEntries(publicKeys),
    ...key?.settings,
  };
}

function keyOf(type: Key["type"]): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: type === "ecdsa-p384" ? "P-384" : "P-256" }).privateKey;
}

function publicPem(privateKey: KeyObject): string {
  return createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
}
