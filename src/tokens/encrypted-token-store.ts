/** A token store of encrypted files, which the processes of one host share. */
import { TokenStoreError } from "../errors.js";
import { fileRecords } from "./file-records.js";
import { type LeasedTokenStoreOptions, leasedTokenStore } from "./leased-token-store.js";
import type { TokenStore } from "./token-store.js";

/** Options of {@link encryptedTokenStore}. */
export interface EncryptedTokenStoreOptions extends LeasedTokenStoreOptions {
  /**
   * The directory of the token files, one for each token. Created with mode 0700 if it doesn't exist. It must be on a disk
   * of this host.
   */
  directory: string;
}

/** Milliseconds. A disk that is slower than this has failed. */
const TIMEOUT = 30_000;

/**
 * Creates a store in a directory of encrypted files, with a lock for the processes of one host. Each file is written
 * under a temporary name, synced and renamed, so that a crash or a concurrent process never leaves a partial file. If
 * `get` can't decrypt a file, delete the file, or use the key that it was encrypted with.
 *
 * @throws {TokenStoreError} With code `misconfigured` if the key is invalid. The store's methods throw `unreadable` if
 *   a file can't be decrypted, `unavailable` if the directory can't be read or written, `lease-lost` if a write came too
 *   late.
 */
export function encryptedTokenStore(options: EncryptedTokenStoreOptions): TokenStore {
  const { directory, key, lease } = Object(options) as EncryptedTokenStoreOptions;
  if (typeof directory !== "string" || directory === "")
    throw new TokenStoreError("misconfigured", "directory must be the path of a directory.");
  return leasedTokenStore(fileRecords(directory), { key, lease, timeout: TIMEOUT });
}
