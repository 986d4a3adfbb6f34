/** Token stores: where a token source persists its token across restarts. */
import type { Token } from "../oauth/token/token.js";
import { Turns } from "./turns.js";

/** A token as plain JSON. It contains secrets, so a store that outlives the process must encrypt it. */
export interface StoredToken {
  /** The JSON object of the token response. */
  readonly raw: Token["raw"];
  /** The current refresh token. May be older than the token response. */
  readonly refreshToken: string | null;
  /** Milliseconds since 1970. `null` if the server doesn't report a lifetime. */
  readonly expiresAt: number | null;
  /** The claims of the latest ID token, if there was one. */
  readonly idTokenClaims?: Token["idTokenClaims"];
}

/**
 * Stores tokens by key. A key contains the thumbprint of the proof key or the certificate, the client, the server and
 * the grant, but no secrets. See {@link encryptedTokenStore} and {@link memoryTokenStore}.
 */
export interface TokenStore {
  /** Returns the stored token, or `undefined` if there is none. */
  get(key: string): Promise<StoredToken | undefined>;
  /** Stores a token, replacing the current one. */
  set(key: string, token: StoredToken): Promise<void>;
  /** Deletes a token. Succeeds if there is none. */
  del(key: string): Promise<void>;
  /**
   * Runs the work while no other process runs work with this key, and resolves after it. `get`, `set` and `del` are
   * used in the work as usual.
   *
   * The lock is a lease: it ends some time after its process was killed, and is extended while the work runs. A process
   * that was paused for longer can lose its lease without noticing. `set` and `del` must then throw an error with code
   * `lease-lost`, because another process may have stored a newer token. Check that in the write itself: the process can
   * also be paused between a check and the write.
   *
   * Without this method, two processes may refresh the token at the same moment. Many servers accept only one of the two
   * requests; the source then reads the other process's token from the store.
   */
  lock?(key: string, work: () => Promise<void>, options?: LockOptions): Promise<void>;
}

/** Options of {@link TokenStore.lock}. */
export interface LockOptions {
  /** Stops waiting for the lock: rejects with the signal's reason. Doesn't stop work that has started. */
  signal?: AbortSignal | undefined;
}

/** Creates a store in memory, for tests and for sources of one process that share their tokens. */
export function memoryTokenStore(): TokenStore {
  const tokens = new Map<string, StoredToken>();
  const turns = new Turns();
  return {
    get: async (key) => tokens.get(key),
    set: async (key, token) => {
      tokens.set(key, token);
    },
    del: async (key) => {
      tokens.delete(key);
    },
    lock: (key, work, { signal } = {}) => turns.run(key, work, signal),
  };
}
