/** The one file that speaks to the server: the four requests of the transit engine that we need, and its errors as ours. */
import { readFile } from "node:fs/promises";
import { SignerError, type SignerErrorCode } from "hardproof";
import type { TokenSource, TransitKeyName } from "./uri.js";

/** What the server says of a key. */
export interface TransitKey {
  /** `ecdsa-p256`, `aes256-gcm96`, … */
  readonly type: string;
  readonly latestVersion: number;
  /** PEM by version; none for a symmetric key. */
  readonly publicKeys: ReadonlyMap<number, string>;
  /** The whole answer. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** @throws {SignerError} code `key-not-found`, or of what the server says */
export async function readKey(key: TransitKeyName, signal?: AbortSignal): Promise<TransitKey> {
  const { data } = await request(key, "GET", `keys/${key.name}`, { signal });
  const { type, latest_version, keys } = data;
  if (typeof type !== "string" || typeof latest_version !== "number") throw unreadable("the key");
  return { type, latestVersion: latest_version, publicKeys: publicKeysOf(keys), data };
}

/**
 * @param digest - 32 bytes
 * @returns 64 bytes r‖s, and the version that the server says it used
 */
export async function signDigest(
  key: TransitKeyName,
  version: number,
  digest: Uint8Array,
  signal: AbortSignal,
): Promise<{ signature: Uint8Array; version: number }> {
  const body = {
    input: Buffer.from(digest).toString("base64"),
    prehashed: true,
    marshaling_algorithm: "jws",
    key_version: version,
  };
  const { data } = await request(key, "POST", `sign/${key.name}/sha2-256`, { body, signal });
  const [, used, signature] = /^vault:v(\d+):([\w-]+)$/.exec(String(data.signature)) ?? [];
  if (used === undefined || signature === undefined) throw unreadable("the signature");
  return { signature: Buffer.from(signature, "base64url"), version: Number(used) };
}

/** @throws {SignerError} code `misconfigured` if there is such a key already */
export async function createKey(key: TransitKeyName): Promise<void> {
  const existing = await readKey(key).catch((error) => {
    if (error.code !== "key-not-found") throw error;
  });
  if (existing) throw new SignerError("misconfigured", `There is a key ${key.name} already, and it is left alone.`);
  const body = { type: "ecdsa-p256", exportable: false, allow_plaintext_backup: false };
  const { warnings } = await request(key, "POST", `keys/${key.name}`, { body });
  // Somebody was quicker: their key is not what was asked for.
  if (warnings.some((warning) => /already existed/.test(warning)))
    throw new SignerError("misconfigured", `There is a key ${key.name} already, made a moment ago by somebody else.`);
}

/** @returns the names of all keys, of whatever type */
export async function listKeys(engine: TransitKeyName): Promise<string[]> {
  const { data } = await request(engine, "GET", "keys?list=true", {}).catch((error) => {
    if (error.code === "key-not-found") return { data: { keys: [] } };
    throw error;
  });
  return Array.isArray(data.keys) ? data.keys.map(String) : [];
}

/** Milliseconds, for what is not part of a signature: those have their signer's own. */
const TIMEOUT = 30_000;

interface Answer {
  readonly data: Record<string, unknown>;
  readonly warnings: string[];
}

async function request(
  { origin, mount, namespace, token }: TransitKeyName,
  method: "GET" | "POST",
  path: string,
  { body, signal }: { body?: object; signal?: AbortSignal | undefined },
): Promise<Answer> {
  const headers: Record<string, string> = { "x-vault-token": await readToken(token), "x-vault-request": "true" };
  if (namespace !== undefined) headers["x-vault-namespace"] = namespace;
  const sent = {
    method,
    headers,
    body: body ? JSON.stringify(body) : null,
    signal: signal ?? AbortSignal.timeout(TIMEOUT),
  };
  // A redirect would carry the token to wherever it points.
  const response = await fetch(`${origin}/v1/${mount}/${path}`, { ...sent, redirect: "manual" }).catch((cause) => {
    if (cause.name === "TimeoutError") throw new SignerError("timeout", `No answer within ${TIMEOUT} ms.`);
    throw new SignerError("unavailable", "The server can't be reached.", { cause });
  });
  const answer = record(await response.json().catch(() => undefined));
  if (!response.ok) throw toSignerError(response.status, answer.errors);
  return { data: record(answer.data), warnings: Array.isArray(answer.warnings) ? answer.warnings.map(String) : [] };
}

/** Read anew for each request: an agent renews it. */
async function readToken(source: TokenSource): Promise<string> {
  const where = "env" in source ? `the environment variable ${source.env}` : `the file ${source.file}`;
  const text = "env" in source ? process.env[source.env] : await readFile(source.file, "utf8").catch(() => undefined);
  const token = text?.trim();
  if (token && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new SignerError("pin-required", `There is no token in ${where}, or it can't be read. Nothing was sent.`);
}

const STATUSES: Readonly<Record<number, readonly [SignerErrorCode, string]>> = {
  400: ["misconfigured", "The server does not take the request."],
  403: ["access-denied", "The token has expired, or its policy lacks `read` on keys/NAME or `update` on sign/NAME."],
  404: ["key-not-found", "There is no such key, or no transit engine mounted there."],
  412: ["unavailable", "This node of the server lags behind."],
  429: ["throttled", "The server's rate limit is reached."],
  503: ["unavailable", "The server is sealed, or in maintenance."],
};

/** The server's answer as an error of ours, with its own words. */
function toSignerError(status: number, errors: unknown): SignerError {
  const said = Array.isArray(errors) && errors.length > 0 ? ` It says: ${errors.join("; ").replace(/\s+/g, " ")}` : "";
  if (status === 400 && /key not found/.test(said)) return toSignerError(404, errors);
  if (status >= 300 && status < 400)
    return new SignerError("misconfigured", `HTTP ${status}: the server redirects. Name the active node itself.`);
  const [code, message] = STATUSES[status] ?? [status >= 500 ? "unavailable" : "misconfigured", "It failed."];
  return new SignerError(code, `HTTP ${status}: ${message}${said}`);
}

function publicKeysOf(keys: unknown): Map<number, string> {
  const found = Object.entries(record(keys)).flatMap(([version, key]): [number, string][] => {
    const { public_key } = record(key);
    return typeof public_key === "string" ? [[Number(version), public_key]] : [];
  });
  return new Map(found);
}

function unreadable(what: string): SignerError {
  return new SignerError("unavailable", `The server's answer about ${what} is not what the transit engine sends.`);
}

function record(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === "object" ? { ...value } : {};
}
