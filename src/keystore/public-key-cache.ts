/** Public keys that the signers of a process share, so that each is fetched once. */
import { SignerError } from "../errors.js";
import { LruMap } from "../lru-map.js";

/** The most public keys that one provider caches. */
const MAX_KEYS = 1_000;

/**
 * Caches what a store returned about a public key, such as the response of `GetPublicKey`. Concurrent callers share one
 * request. An error isn't cached.
 *
 * A name must stand for the same key for ever: the ARN of a key or the name of a key version, with the address of the
 * store, but never an alias.
 *
 * @example
 * ```ts
 * const publicKeys = new PublicKeyCache<Response>();
 * const response = await publicKeys.get(`${endpoint} ${keyArn}`, () => client.getPublicKey(keyArn, signal));
 * ```
 */
export class PublicKeyCache<Value> {
  readonly #values = new LruMap<string, Value>(MAX_KEYS);
  readonly #requests = new Map<string, Promise<Value>>();

  /**
   * Returns the cached value, or fetches it.
   *
   * @param fetch - Called unless the value is cached, or a concurrent caller fetches it already. If that caller gives up,
   *   the next one fetches the value itself.
   * @throws What `fetch` throws.
   */
  async get(name: string, fetch: () => Promise<Value>): Promise<Value> {
    for (;;) {
      const cached = this.#values.get(name);
      if (cached !== undefined) return cached;
      const request = this.#requests.get(name);
      if (!request) return this.#fetch(name, fetch);
      try {
        return await request;
      } catch (error) {
        if (!gaveUp(error)) throw error;
      }
    }
  }

  /** Forgets a public key that a signature doesn't match. */
  forget(name: string): void {
    this.#values.delete(name);
  }

  async #fetch(name: string, fetch: () => Promise<Value>): Promise<Value> {
    const request = fetch();
    this.#requests.set(name, request);
    try {
      const value = await request;
      this.#values.set(name, value);
      return value;
    } finally {
      this.#requests.delete(name);
    }
  }
}

/** Returns whether the error is about one caller's time limit or signal, rather than about the key. */
function gaveUp(error: unknown): boolean {
  return !(error instanceof SignerError) || error.code === "aborted" || error.code === "timeout";
}
