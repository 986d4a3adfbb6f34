/** The only file that talks to the server: four requests of the transit engine, and the mapping of its errors. */
import { type ErrorRow, ErrorTable, misconfigured, readSecret, SignerError } from "hardproof/provider";
import type { TransitAlgorithm } from "./algorithms.js";
import type { TransitKeyName } from "./uri.js";

/** A key, as the server describes it. */
export interface TransitKey {
  /** `ecdsa-p256`, `aes256-gcm96`, … */
  readonly type: string;
  /** The number of the newest version. */
  readonly latestVersion: number;
  /** PEM, or base64 for Ed25519, by version. Empty for a symmetric key. */
  readonly publicKeys: ReadonlyMap<number, string>;
  /** The whole response. */
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * Reads a key.
 *
 * @throws {SignerError} With code `key-not-found`, or the code of the server's error.
 */
export async function readKey(key: TransitKeyName, signal: AbortSignal): Promise<TransitKey> {
  const { data } = await request(key, "GET", `keys/${key.name}`, { signal });
  const { type, latest_version, keys } = data;
  if (typeof type !== "string" || typeof latest_version !== "number") throw unexpected("the key");
  return { type, latestVersion: latest_version, publicKeys: publicKeysOf(keys), data };
}

/**
 * Signs a digest or, with Ed25519, a message.
 *
 * @returns The signature in JOSE's format, and the version that the server used.
 */
export async function signInput(
  key: TransitKeyName,
  { version, algorithm, input }: { version: number; algorithm: TransitAlgorithm; input: Uint8Array },
  signal: AbortSignal,
): Promise<{ signature: Uint8Array; version: number }> {
  const { hash, signatureAlgorithm } = algorithm;
  const body = {
    input: Buffer.from(input).toString("base64"),
    marshaling_algorithm: "jws",
    key_version: version,
    ...(hash && { prehashed: true }),
    ...(signatureAlgorithm && { signature_algorithm: signatureAlgorithm }),
    // A JWS needs a salt as long as the hash (RFC 7518 §3.5). The server's default is the longest that the key allows.
    ...(signatureAlgorithm === "pss" && { salt_length: "hash" }),
  };
  const path = hash ? `sign/${key.name}/${hash}` : `sign/${key.name}`;
  const { data } = await request(key, "POST", path, { body, signal });
  const [, used, signature] = /^vault:v(\d+):([\w-]+)$/.exec(String(data.signature)) ?? [];
  if (used === undefined || signature === undefined) throw unexpected("the signature");
  return { signature: Buffer.from(signature, "base64url"), version: Number(used) };
}

/**
 * Creates a key that can't be exported.
 *
 * @param type - The server's name of the key type.
 * @throws {SignerError} With code `misconfigured` if the key already exists.
 */
export async function createKey(key: TransitKeyName, type: string, signal: AbortSignal): Promise<void> {
  const existing = await readKey(key, signal).catch((error) => {
    if (error.code !== "key-not-found") throw error;
  });
  if (existing) throw misconfigured(`The key ${key.name} already exists. It was not changed.`);
  const body = { type, exportable: false, allow_plaintext_backup: false };
  const { warnings } = await request(key, "POST", `keys/${key.name}`, { body, signal });
  // Another client has created it in the meantime, perhaps with a different type and settings.
  if (warnings.some((warning) => /already existed/.test(warning)))
    throw misconfigured(`The key ${key.name} already exists: another client has just created it.`);
}

/** Returns the names of all keys of the engine, of any type. */
export async function listKeys(engine: TransitKeyName, signal: AbortSignal): Promise<string[]> {
  const { data } = await request(engine, "GET", "keys?list=true", { signal }).catch((error) => {
    if (error.code === "key-not-found") return { data: { keys: [] } };
    throw error;
  });
  return Array.isArray(data.keys) ? data.keys.map(String) : [];
}

interface TransitResponse {
  readonly data: Record<string, unknown>;
  readonly warnings: string[];
}

async function request(
  key: TransitKeyName,
  method: "GET" | "POST",
  path: string,
  { body, signal }: { body?: object; signal: AbortSignal },
): Promise<TransitResponse> {
  const { origin, mount, namespace } = key;
  const headers = {
    "x-vault-token": await readToken(key),
    "x-vault-request": "true",
    ...(namespace !== undefined && { "x-vault-namespace": namespace }),
  };
  // A redirect would send the token to another server.
  const init = { method, headers, body: body ? JSON.stringify(body) : null, signal, redirect: "manual" } as const;
  const response = await fetch(`${origin}/v1/${mount}/${path}`, init).catch((cause) => {
    throw new SignerError("unavailable", "The server can't be reached.", { cause });
  });
  const json = record(await response.json().catch(() => undefined));
  if (!response.ok) throw toSignerError(response.status, json.errors);
  return { data: record(json.data), warnings: Array.isArray(json.warnings) ? json.warnings.map(String) : [] };
}

/** Reads the token for each request, because an agent renews it. */
async function readToken({ token }: TransitKeyName): Promise<string> {
  const text = await readSecret(token, { name: "Vault token", note: "Nothing was sent." });
  if (/^[\x21-\x7e]+$/.test(text.trim())) return text.trim();
  throw new SignerError(
    "pin-required",
    "The Vault token contains characters that aren't allowed in a header. Nothing was sent.",
  );
}

const ERRORS = new ErrorTable(
  {
    400: ["misconfigured", "The server rejected the request."],
    403: ["access-denied", "The token has expired, or its policy lacks `read` on keys/NAME or `update` on sign/NAME."],
    404: ["key-not-found", "The key doesn't exist, or no transit engine is mounted at this path."],
    412: ["unavailable", "This node of the server is behind the others."],
    429: ["throttled", "The server's rate limit is reached."],
    503: ["unavailable", "The server is sealed or in maintenance."],
  },
  ["misconfigured", "The request failed."],
);

/** What the server says of requests that can't succeed. OpenBao responds to some of them with status 500. */
const FINAL_ERRORS: readonly (readonly [RegExp, ErrorRow])[] = [
  [/key not found/, ERRORS.get("404")],
  [/soft-deleted/, ["access-denied", "The key is soft-deleted. Restore it, or use another key."]],
  [
    /requested version for signing|no such key version/,
    ["key-not-found", "The key can't sign with this version. Use another version, or leave it out for the latest."],
  ],
];

/** Maps an error response. The message quotes the server's errors. */
function toSignerError(status: number, errors: unknown): SignerError {
  const details = Array.isArray(errors) ? errors.join("; ").replace(/\s+/g, " ") : "";
  if (status >= 300 && status < 400)
    return misconfigured(`HTTP ${status}: The server redirects. Use the address of the active node.`);
  const final = FINAL_ERRORS.find(([pattern]) => pattern.test(details))?.[1];
  const [code, remedy] = final ?? ERRORS.get(String(status));
  const message = `HTTP ${status}: ${remedy}${details && ` Server: ${details}`}`;
  return new SignerError(status >= 500 && !final ? "unavailable" : code, message);
}

function publicKeysOf(keys: unknown): Map<number, string> {
  const entries = Object.entries(record(keys)).flatMap(([version, key]): [number, string][] => {
    const { public_key } = record(key);
    return typeof public_key === "string" ? [[Number(version), public_key]] : [];
  });
  return new Map(entries);
}

function unexpected(what: string): SignerError {
  return new SignerError(
    "unavailable",
    `The server's response about ${what} isn't in the format of the transit engine.`,
  );
}

function record(value: unknown): Record<string, unknown> {
  return value !== null && typeof value === "object" ? { ...value } : {};
}
