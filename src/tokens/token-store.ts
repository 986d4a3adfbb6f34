/** Where a token source keeps its token between two runs of a process. */
import type { Token } from "../oauth/token/token.js";

/** A token as it is kept: plain JSON. It holds the token itself, so a store that outlives the process must encrypt it. */
export interface StoredToken {
  /** The token endpoint's answer. */
  readonly raw: Token["raw"];
  /** The refresh token in force, which may be older than the answer. */
  readonly refreshToken: string | null;
  /** Milliseconds since 1970; `null` where the server did not say. */
  readonly expiresAt: number | null;
}

/** Keeps tokens by a key that names the proof key's thumbprint, the client and the scope, and holds no secret. */
export interface TokenStore {
  get(key: string): Promise<StoredToken | undefined>;
  set(key: string, token: StoredToken): Promise<void>;
  del(key: string): Promise<void>;
}

/** A store for sources of one process: what they share, and tests. */
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
