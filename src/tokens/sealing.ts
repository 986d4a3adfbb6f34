/**
 * Encrypts stored tokens: AES-256-GCM (NIST SP 800-38D), with a raw key or one derived by scrypt (RFC 7914).
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { TokenStoreError } from "../errors.js";
import { LruMap } from "../lru-map.js";
import type { StoredToken } from "./token-store.js";

/** An AES-256 key of 32 bytes, or a passphrase. */
export type SealingKey = Uint8Array | string;

/** Encrypts and decrypts tokens. The token's name is authenticated, so that values can't be exchanged. */
export interface Sealing {
  seal(name: string, token: StoredToken): Promise<Buffer>;
  /** @throws If the value is damaged, or was encrypted under another name or with another key. */
  open(name: string, sealed: Buffer): Promise<StoredToken>;
}

// Format: magic, salt, iv, tag, ciphertext. The additional authenticated data is magic, salt and the token's name.
const MAGIC = Buffer.from("hardproof-token-1\n");
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };

/**
 * Encrypts with the first key, and decrypts with all of them.
 *
 * @throws {TokenStoreError} With code `misconfigured` if a key is invalid, or there is none.
 */
export function sealing(key: SealingKey | readonly SealingKey[]): Sealing {
  const keys = [key].flat().map(keyDerivation);
  const [first] = keys;
  if (!first) throw new TokenStoreError("misconfigured", "key must contain at least one key.");
  const salt = randomBytes(SALT_BYTES);
  return {
    seal: async (name, token) => encrypt(Buffer.from(JSON.stringify(token)), name, await first(salt), salt),
    open: (name, sealed) => Promise.any(keys.map((keyFor) => decrypt(sealed, name, keyFor))),
  };
}

/** Returns the AES key for the salt of a value. */
type KeyFor = (salt: Buffer) => Promise<Uint8Array>;

function keyDerivation(key: SealingKey): KeyFor {
  if (typeof key === "string" && key !== "") return deriveFromPassphrase(key);
  if (key instanceof Uint8Array && key.byteLength === 32) return async () => key;
  throw new TokenStoreError("misconfigured", "key must be 32 bytes or a non-empty passphrase, or a list of them.");
}

/** Derived keys to cache. Each process that writes to the store uses a different salt. */
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
  if (!header.subarray(0, MAGIC.length).equals(MAGIC) || rest.length < TAG_BYTES) throw new Error("not a sealed token");
  const key = await keyFor(header.subarray(MAGIC.length));
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.concat([header, Buffer.from(name)]))
    .setAuthTag(rest.subarray(0, TAG_BYTES));
  const plaintext = Buffer.concat([decipher.update(rest.subarray(TAG_BYTES)), decipher.final()]);
  return JSON.parse(plaintext.toString());
}
