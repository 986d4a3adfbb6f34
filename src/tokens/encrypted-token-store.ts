/** Tokens in encrypted files: AES-256-GCM (NIST SP 800-38D), the key given or derived by scrypt (RFC 7914). */
import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { TokenStoreError } from "../errors.js";
import { LruMap } from "../lru-map.js";
import type { StoredToken, TokenStore } from "./token-store.js";

export interface EncryptedTokenStoreOptions {
  /** One file for each token stands here. Made with mode 0700 if it is not there. */
  directory: string;
  /** 32 bytes of a key, or a passphrase of any length. */
  key: Uint8Array | string;
}

// A file is: magic, salt, iv, tag, ciphertext. Magic, salt and the token's name are authenticated with it.
const MAGIC = Buffer.from("hardproof-token-1\n");
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + SALT_BYTES;
const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };

/**
 * A store in a directory of encrypted files, each written beside its place and then renamed, so that a crash or another
 * process leaves the old token or the new one, and never half of one. What can't be decrypted is an error and stays as it is:
 * delete the file, or give the key that it was written with.
 *
 * @throws {TokenStoreError} code `misconfigured` for a key that is none; its methods throw `unreadable` or `unavailable`
 */
export function encryptedTokenStore({ directory, key }: EncryptedTokenStoreOptions): TokenStore {
  const keyFor = keyDerivation(key);
  const ownSalt = randomBytes(SALT_BYTES);
  const fileOf = (name: string) => join(directory, `${createHash("sha256").update(name).digest("hex")}.token`);

  return {
    async get(name) {
      const file = fileOf(name);
      const sealed = await readIfThere(file);
      if (sealed === undefined) return undefined;
      return unsealed(sealed, name, keyFor).catch((cause) => {
        throw new TokenStoreError("unreadable", `${file} is damaged, foreign, or written with another key.`, { cause });
      });
    },
    async set(name, token) {
      const sealed = seal(Buffer.from(JSON.stringify(token)), name, await keyFor(ownSalt), ownSalt);
      await onDisk(directory, () => replace(directory, fileOf(name), sealed));
    },
    async del(name) {
      await onDisk(directory, () => rm(fileOf(name), { force: true }));
    },
  };
}

type KeyFor = (salt: Buffer) => Promise<Uint8Array>;

function keyDerivation(key: Uint8Array | string): KeyFor {
  if (typeof key === "string" && key !== "") return derivation(key);
  if (key instanceof Uint8Array && key.byteLength === 32) return async () => key;
  throw new TokenStoreError("misconfigured", "key must be 32 bytes or a passphrase.");
}

/** Of so many salts the keys are kept: each process that writes has one of its own. */
const MOST_KEYS = 64;

/** Derives once for each salt: it takes a tenth of a second, on purpose. */
function derivation(passphrase: string): KeyFor {
  const derive = promisify<string, Buffer, number, typeof SCRYPT, Buffer>(scrypt);
  const keys = new LruMap<string, Promise<Buffer>>(MOST_KEYS);
  return (salt) => {
    const name = salt.toString("hex");
    const key = keys.get(name) ?? derive(passphrase, salt, 32, SCRYPT);
    key.catch(() => keys.delete(name));
    keys.set(name, key);
    return key;
  };
}

function seal(plain: Buffer, name: string, key: Uint8Array, salt: Buffer): Buffer {
  const header = Buffer.concat([MAGIC, salt]);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.concat([header, Buffer.from(name)]));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([header, iv, cipher.getAuthTag(), sealed]);
}

async function unsealed(file: Buffer, name: string, keyFor: KeyFor): Promise<StoredToken> {
  const header = file.subarray(0, HEADER_BYTES);
  const [iv, tag] = [file.subarray(HEADER_BYTES, HEADER_BYTES + IV_BYTES), file.subarray(HEADER_BYTES + IV_BYTES)];
  if (!header.subarray(0, MAGIC.length).equals(MAGIC) || tag.length < TAG_BYTES) throw new Error("no token file");
  const key = await keyFor(header.subarray(MAGIC.length));
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.concat([header, Buffer.from(name)]))
    .setAuthTag(tag.subarray(0, TAG_BYTES));
  const plain = Buffer.concat([decipher.update(tag.subarray(TAG_BYTES)), decipher.final()]);
  return JSON.parse(plain.toString());
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  return onDisk(file, () =>
    readFile(file).catch((cause) => {
      if (cause.code === "ENOENT") return undefined;
      throw cause;
    }),
  );
}

/** Written, on the disk, and only then in its place: a reader sees the old file or the new one. */
async function replace(directory: string, file: string, content: Buffer): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const beside = `${file}.${randomBytes(8).toString("hex")}`;
  try {
    const handle = await open(beside, "wx", 0o600);
    await handle
      .writeFile(content)
      .then(() => handle.sync())
      .finally(() => handle.close());
    await rename(beside, file);
  } catch (cause) {
    await rm(beside, { force: true });
    throw cause;
  }
}

async function onDisk<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${cause.code})` : "";
    throw new TokenStoreError("unavailable", `The token store at ${place} can't be used${code}.`, { cause });
  }
}
