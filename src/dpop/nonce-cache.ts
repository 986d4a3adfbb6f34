/** The latest DPoP nonce of each server (RFC 9449 §8), by origin: a nonce is never sent to another server (§9). */
import { LruMap } from "../lru-map.js";

/**
 * Stores the latest nonce of each server. A `Map` is one. `get` is called when the key is ready to sign, so both methods
 * are synchronous: load a store that is elsewhere before the first call, and write it from `set` or at the end.
 */
export interface NonceStore {
  /**
   * Returns the server's nonce, or `undefined` if there is none. A value that isn't a nonce is ignored.
   *
   * @param server - The role and the origin of the server: `authorization-server https://auth.example.com` or
   *   `resource-server https://api.example.com`. Servers of both roles may share an origin, but not their nonces.
   */
  get(server: string): string | undefined;
  /** Stores a nonce that the server sent, replacing the current one. */
  set(server: string, nonce: string): void;
}

/** The option `nonces`. */
export interface NonceOption {
  /**
   * Stores the servers' nonces, for example to share them among clients or to keep them between processes: an outdated
   * nonce costs one more request, as a missing one does. Default: memory, for up to 256 servers.
   */
  nonces?: NonceStore | undefined;
}

/** The role of a server, for which it has nonces of its own (RFC 9449 §9). */
export type ServerRole = "authorization-server" | "resource-server";

/** The message for an option that isn't a store. */
export const NONCES_NOT_A_STORE = "nonces must be a NonceStore: an object with the methods get and set, such as a Map.";

const NQCHARS = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MAX_ORIGINS = 256;

/** Whether the value is syntactically a nonce: `1*NQCHAR` (RFC 9449 §8.1). */
export function isNonce(value: unknown): value is string {
  return typeof value === "string" && NQCHARS.test(value);
}

/** Whether the option can be used. */
export function isNonceOption({ nonces }: NonceOption): boolean {
  return nonces === undefined || (typeof nonces?.get === "function" && typeof nonces.set === "function");
}

/** Caches the nonces of the servers of one role by origin. By default it evicts the least recently updated one. */
export class NonceCache {
  readonly #role: ServerRole;
  readonly #store: NonceStore;

  constructor(role: ServerRole, { nonces = new LruMap<string, string>(MAX_ORIGINS) }: NonceOption = {}) {
    this.#role = role;
    this.#store = nonces;
  }

  /** @param url - Any URL of the server. */
  get(url: URL): string | undefined {
    const nonce = this.#store.get(this.#keyOf(url));
    return isNonce(nonce) ? nonce : undefined;
  }

  /** Caches the response's `DPoP-Nonce`, whatever its status (RFC 9449 §8.2). Ignores a malformed one. */
  remember(url: URL, headers: Headers): void {
    const nonce = headers.get("dpop-nonce");
    if (isNonce(nonce)) this.#store.set(this.#keyOf(url), nonce);
  }

  #keyOf({ origin }: URL): string {
    return `${this.#role} ${origin}`;
  }
}
