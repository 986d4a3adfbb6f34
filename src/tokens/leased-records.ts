/** What a leased token store needs of the place where tokens are. */
import { withDeadline } from "../deadline.js";
import { TokenStoreError } from "../errors.js";
import { storeError } from "./store-error.js";

/**
 * The operations of a leased token store on a database. Each of them must be atomic. An id is the SHA-256 of the token's
 * key in hex, an owner is a UUID that is new for each lease, and times are milliseconds.
 */
export interface LeasedRecords {
  /** The subject of error messages: "The token store in Redis". */
  readonly title: string;
  /** Whether a write that failed is worth repeating for the duration of the lease. */
  readonly isRemote: boolean;
  /** Returns the value, or `undefined` if there is none. */
  get(id: string): Promise<Uint8Array | undefined>;
  /**
   * Takes the lease, unless another owner has one that hasn't ended. Succeeds if this owner already has it: clients of some
   * databases send a request again if its response was lost.
   */
  take(id: string, owner: string, duration: number): Promise<boolean>;
  /** Extends the owner's lease, even if it has ended, unless another owner has taken it since. */
  extend(id: string, owner: string, duration: number): Promise<boolean>;
  /** Ends the owner's lease, if it has one. */
  release(id: string, owner: string): Promise<void>;
  /**
   * Stores the value, unless another owner has taken the lease since.
   *
   * @param keepFor - After this time, the value may be deleted.
   */
  set(id: string, owner: string, value: Buffer, keepFor: number | undefined): Promise<boolean>;
  /** Deletes the value, unless another owner has taken the lease since. */
  del(id: string, owner: string): Promise<boolean>;
}

/** Limits the time of each operation, and replaces errors that may contain secrets. */
export function withinTime(records: LeasedRecords, timeout: number): LeasedRecords {
  const { title, isRemote } = records;
  const timedOut = () => new TokenStoreError("unavailable", `${title} didn't respond within ${timeout} ms.`);
  const call = async <T>(operation: () => Promise<T>): Promise<T> => {
    try {
      return await withDeadline({ timeout, toError: timedOut }, operation);
    } catch (reason) {
      throw storeError(`${title} failed`, reason);
    }
  };
  return {
    title,
    isRemote,
    get: (...args) => call(() => records.get(...args)),
    take: (...args) => call(() => records.take(...args)),
    extend: (...args) => call(() => records.extend(...args)),
    release: (...args) => call(() => records.release(...args)),
    set: (...args) => call(() => records.set(...args)),
    del: (...args) => call(() => records.del(...args)),
  };
}
