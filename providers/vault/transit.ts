/** The four requests of the transit engine (https://openbao.org/api-docs/secret/transit), and their responses. */
import { SignerError } from "../../src/errors.js";
import { isJsonObject } from "../../src/jose/json-object.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import type { TransitAlgorithm } from "./algorithms.js";
import type { VaultClient } from "./client.js";

/** A key, as the server describes it. */
export interface TransitKey {
  /** `ecdsa-p256`, `aes256-gcm96`, … */
  readonly type: string;
  /** The number of the newest version. */
  readonly latestVersion: number;
  /** By number. A symmetric key's aren't objects, and a version that is archived is missing. */
  readonly versions: ReadonlyMap<number, Readonly<Record<string, unknown>>>;
  /** The whole response, without the versions. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** What is signed, and how. */
export interface SignInput {
  readonly version: number;
  readonly algorithm: TransitAlgorithm;
  /** The digest or, if the algorithm doesn't have a hash, the message. */
  readonly input: Uint8Array;
}

/**
 * Reads a key.
 *
 * @throws {SignerError} With code `integrity` if the response is about another key, or isn't in the engine's format.
 */
export async function readKey(client: VaultClient, name: string, signal: AbortSignal): Promise<TransitKey> {
  const { json } = await client.request({ method: "GET", path: `keys/${name}`, capability: "read" }, signal);
  return keyOf(json.data, name);
}

/**
 * Signs a digest or a message.
 *
 * @returns The signature in JOSE's format, and the version that the server used.
 */
export async function signInput(
  client: VaultClient,
  name: string,
  { version, algorithm, input }: SignInput,
  signal: AbortSignal,
): Promise<{ signature: Uint8Array; version: number }> {
  const { signatureAlgorithm } = algorithm;
  const body = {
    input: Buffer.from(input).toString("base64"),
    marshaling_algorithm: "jws",
    key_version: version,
    ...(algorithm.hash && { prehashed: true }),
    ...(signatureAlgorithm && { signature_algorithm: signatureAlgorithm }),
    // A JWS needs a salt as long as the hash (RFC 7518 §3.5). The server's default is the longest that the key allows.
    ...(signatureAlgorithm === "pss" && { salt_length: "hash" }),
  };
  const path = signPath(name, algorithm);
  const { json } = await client.request({ method: "POST", path, body, capability: "update" }, signal);
  const { signature, key_version } = isJsonObject(json.data) ? json.data : {};
  const [, used, text] = /^vault:v([1-9]\d*):([\w+/-]+={0,2})$/.exec(String(signature)) ?? [];
  if (used === undefined || text === undefined) throw unexpected("the signature");
  // Older servers don't return the member.
  if (key_version !== undefined && key_version !== Number(used)) throw unexpected("the version that signed");
  return { signature: Buffer.from(text, "base64url"), version: Number(used) };
}

/** Returns the path of a signature, relative to the mount. A policy can allow one hash function only. */
export function signPath(name: string, { hash }: TransitAlgorithm): string {
  return hash ? `sign/${name}/${hash}` : `sign/${name}`;
}

/**
 * Creates a key that can't be exported.
 *
 * @throws {SignerError} With code `misconfigured` if the key already exists.
 */
export async function createKey(
  client: VaultClient,
  name: string,
  parameters: { readonly type: string },
  signal: AbortSignal,
): Promise<void> {
  const existing = await readKey(client, name, signal).catch(ifNotFound);
  if (existing) throw misconfigured(`The key ${name} already exists. It was not changed.`);
  const body = { ...parameters, exportable: false, allow_plaintext_backup: false };
  const request = { method: "POST", path: `keys/${name}`, body, capability: "create", once: true } as const;
  const { json } = await client.request(request, signal);
  // The server leaves an existing key as it is. Not all versions of it warn, or return the key.
  const warnings = Array.isArray(json.warnings) ? json.warnings.map(String) : [];
  const { type, latestVersion, data } = isJsonObject(json.data)
    ? keyOf(json.data, name)
    : await readKey(client, name, signal);
  const isAsRequested = type === parameters.type && latestVersion === 1 && data.exportable === false;
  if (isAsRequested && !warnings.some((warning) => /already existed/.test(warning))) return;
  throw misconfigured(`The key ${name} already exists: another client has just created it.`);
}

/** Returns the names of all keys of the engine, of any type. */
export async function listKeys(client: VaultClient, signal: AbortSignal): Promise<string[]> {
  const request = { method: "GET", path: "keys?list=true", capability: "list" } as const;
  const response = await client.request(request, signal).catch(ifNotFound);
  if (!response) return [];
  const { keys } = isJsonObject(response.json.data) ? response.json.data : {};
  if (!Array.isArray(keys)) throw unexpected("the list of keys");
  return keys.map(String).filter((name) => KEY_NAME.test(name));
}

/** The names that the engine accepts. A folder ends with a slash. */
export const KEY_NAME = /^\w(?:[\w.-]*\w)?$/;

function keyOf(value: unknown, name: string): TransitKey {
  const { keys, ...data } = isJsonObject(value) ? value : {};
  const { type, latest_version } = data;
  if (typeof type !== "string" || !Number.isSafeInteger(latest_version)) throw unexpected("the key");
  if (data.name !== name) throw new SignerError("integrity", "The server's response is about another key.");
  return { type, latestVersion: Number(latest_version), versions: versionsOf(keys), data };
}

function versionsOf(keys: unknown): TransitKey["versions"] {
  const entries = Object.entries(isJsonObject(keys) ? keys : {}).map(([version, key]) => {
    return [Number(version), isJsonObject(key) ? key : {}] as const;
  });
  return new Map(entries);
}

function ifNotFound(error: unknown): undefined {
  if (!(error instanceof SignerError) || error.code !== "key-not-found") throw error;
}

function unexpected(what: string): SignerError {
  return new SignerError("integrity", `The server's response about ${what} isn't in the format of the transit engine.`);
}
