/**
 * A token store of encrypted files: AES-256-GCM (NIST SP 800-38D), with a raw key or one derived by scrypt (RFC 7914).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { TokenStoreError } from "../errors.js";
import { LruMap } from "../lru-map.js";
import type { StoredToken, TokenStore } from "./token-store.js";

/** Options of {@link encryptedTokenStore}. */
export interface EncryptedTokenStoreOptions {
  /** The directory of the token files, one for each token. Created with mode 0700 if it doesn't exist. */
  directory: string;
  /** An AES-256 key of 32 bytes, or a passphrase. */
  key: Uint8Array | string;
}

// File format: magic, salt, iv, tag, ciphertext. The additional authenticated data is magic, salt and the token's name.
const MAGIC = Buffer.from("hardproof-token-1\n");
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };

/**
 * Creates a store in a directory of encrypted files. Each file is written under a temporary name and renamed, so that a
 * crash or a concurrent process never leaves a partial file. If `get` can't decrypt a file, delete the file, or use the
 * key that it was encrypted with.
 *
 * @throws {TokenStoreError} With code `misconfigured` if the key is invalid. The store's methods throw `unreadable` if
 *   a file can't be decrypted, `unavailable` if the directory can't be read or written.
 */
export function encryptedTokenStore(options: EncryptedTokenStoreOptions): TokenStore {
  const { directory, key } = Object(options) as EncryptedTokenStoreOptions;
  if (typeof directory !== "string" || directory === "")
    throw new TokenStoreError("misconfigured", "directory must be the path of a directory.");
  const keyFor = keyDerivation(key);
  const salt = randomBytes(SALT_BYTES);
  const fileFor = (name: string) => join(directory, `${createHash("sha256").update(name).digest("hex")}.token`);

  return {
    async get(name) {
      const file = fileFor(name);
      const content = await readIfExists(file);
      if (content === undefined) return undefined;
      return decrypt(content, name, keyFor).catch((cause) => {
        const message = `${file} can't be decrypted: it is damaged, not a token file, or encrypted with a different key.`;
        throw new TokenStoreError("unreadable", `${message} Delete it, or use the right key.`, { cause });
      });
    },
    async set(name, token) {
      const content = encrypt(Buffer.from(JSON.stringify(token)), name, await keyFor(salt), salt);
      await withFileErrors(directory, () => replaceFile(directory, fileFor(name), content));
    },
    async del(name) {
      await withFileErrors(directory, () => rm(fileFor(name), { force: true }));
    },
  };
}

/** Returns the AES key for the salt of a file. */
type KeyFor = (salt: Buffer) => Promise<Uint8Array>;

function keyDerivation(key: Uint8Array | string): KeyFor {
  if (typeof key === "string" && key !== "") return deriveFromPassphrase(key);
  if (key instanceof Uint8Array && key.byteLength === 32) return async () => key;
  throw new TokenStoreError("misconfigured", "key must be 32 bytes or a non-empty passphrase.");
}

/** Derived keys to cache. Each process that writes to the directory uses a different salt. */
const MAX_KEYS = 64;

/** Caches the key of each salt, since scrypt is intentionally slow: about a tenth of a second. */
function deriveFromPassphrase(passphrase: string): KeyFor {
  const derive = promisify<string, Buffer, number, typeof SCRYPT, Buffer>(scrypt);
  const keys = new LruMap<string, Promise<Buffer>>(MAX_KEYS);
  return (salt) => {
    const id = salt.toString("hex");
    const key = keys.get(id) ?? derive(passphrase, salt, 32, SCRYPT);
    key.catch(() => keys.delete(id));
    keys.set(id, key);
    return key;
  };
}

function encrypt(plaintext: Buffer, name: string, key: Uint8Array, salt: Buffer): Buffer {
  const header = Buffer.concat([MAGIC, salt]);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.concat([header, Buffer.from(name)]));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([header, iv, cipher.getAuthTag(), ciphertext]);
}

async function decrypt(content: Buffer, name: string, keyFor: KeyFor): Promise<StoredToken> {
  const header = content.subarray(0, HEADER_BYTES);
  const iv = content.subarray(HEADER_BYTES, HEADER_BYTES + IV_BYTES);
  const rest = content.subarray(HEADER_BYTES + IV_BYTES); // tag and ciphertext
  if (!header.subarray(0, MAGIC.length).equals(MAGIC) || rest.length < TAG_BYTES) throw new Error("not a token file");
  const key = await keyFor(header.subarray(MAGIC.length));
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.concat([header, Buffer.from(name)]))
    .setAuthTag(rest.subarray(0, TAG_BYTES));
  const plaintext = Buffer.concat([decipher.update(rest.subarray(TAG_BYTES)), decipher.final()]);
  return JSON.parse(plaintext.toString());
}

async function readIfExists(file: string): Promise<Buffer | undefined> {
  return withFileErrors(file, () =>
    readFile(file).catch((cause) => {
      if (cause.code === "ENOENT") return undefined;
      throw cause;
    }),
  );
}

/** Writes and syncs a temporary file, then renames it, so that a reader sees either the old content or the new one. */
async function replaceFile(directory: string, file: string, content: Buffer): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(8).toString("hex")}`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    await handle
      .writeFile(content)
      .then(() => handle.sync())
      .finally(() => handle.close());
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}

/** @param path - The file or directory that the error names. */
async function withFileErrors<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${cause.code})` : "";
    throw new TokenStoreError("unavailable", `The token store at ${path} can't be read or written${code}.`, { cause });
  }
}
