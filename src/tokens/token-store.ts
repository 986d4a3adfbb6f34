/** Token stores: where a token source persists its token across restarts. */
import type { Token } from "../oauth/token/token.js";

/** A token as plain JSON. It contains secrets, so a store that outlives the process must encrypt it. */
export interface StoredToken {
  /** The JSON object of the token response. */
  readonly raw: Token["raw"];
  /** The current refresh token. May be older than the token response. */
  readonly refreshToken: string | null;
  /** Milliseconds since 1970. `null` if the server doesn't report a lifetime. */
  readonly expiresAt: number | null;
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
}

/** Creates a store in memory, for tests and for sources of one process that share their tokens. */
export function memoryTokenStore(): TokenStore {
  const tokens = new Map<string, StoredToken>();
  return {
    get: async (key) => tokens.get(key),
    set: async (key, token) => {
      tokens.set(key, token);
    },
    del: async (key) => {
      tokens.delete(key);
    },
  };
}
