/**
 * Access tokens of a credential, shared by all signers that use it.
 *
 * The SDK's own cache (`createTokenCycler` of `@azure/keyvault-common`) has three faults that this one avoids: the first
 * caller's abort also fails the others that wait for the same token; a token request that hangs blocks every later one; and
 * a token that can't be renewed in the background is an unhandled rejection, which ends the process.
 */
import { untilAborted } from "../../src/deadline.js";
import type { AccessToken, GetTokenOptions, TokenCredential } from "./client.js";

/** Milliseconds before its end in which a token is replaced. */
const EARLY = 120_000;
/** With this end, the SDK's cache doesn't keep the token, so that it asks for one for every request. */
const UNCACHED = 0;

/** The tokens of one credential. */
class TokenCache {
  readonly #credential: TokenCredential;
  readonly #tokens = new Map<string, AccessToken>();
  readonly #requests = new Map<string, Promise<AccessToken>>();

  constructor(credential: TokenCredential) {
    this.#credential = credential;
  }

  /**
   * Returns a token that is still valid for a while, and requests one if necessary, once for all concurrent callers.
   *
   * @param limit - Milliseconds that the request may take. After that, the next caller starts another one.
   */
  async get(scopes: string | string[], options: GetTokenOptions, limit: number): Promise<AccessToken> {
    const name = [options.tenantId ?? "", ...[scopes].flat()].join(" ");
    const cached = this.#tokens.get(name);
    // The service rejected the cached token and said what the next one needs (continuous access evaluation).
    const isRejected = options.claims !== undefined;
    if (cached && !isRejected && cached.expiresOnTimestamp - EARLY > Date.now()) return cached;
    try {
      return await this.#request(name, scopes, options, limit);
    } catch (error) {
      if (cached && !isRejected && cached.expiresOnTimestamp > Date.now()) return cached;
      throw error;
    }
  }

  forget(rejected: string): void {
    for (const [name, { token }] of this.#tokens) if (token === rejected) this.#tokens.delete(name);
  }

  #request(name: string, scopes: string | string[], options: GetTokenOptions, limit: number): Promise<AccessToken> {
    const inFlight = this.#requests.get(name);
    if (inFlight && options.claims === undefined) return inFlight;
    const request = this.#fetch(name, scopes, options, limit).finally(() => {
      if (this.#requests.get(name) === request) this.#requests.delete(name);
    });
    this.#requests.set(name, request);
    return request;
  }

  async #fetch(name: string, scopes: string | string[], options: GetTokenOptions, limit: number): Promise<AccessToken> {
    const { abortSignal: _, ...withoutSignal } = options;
    const signal = AbortSignal.timeout(limit);
    const token = await untilAborted(signal, async () =>
      this.#credential.getToken(scopes, { ...withoutSignal, abortSignal: signal }),
    );
    if (!token) throw new Error("The credential didn't return a token.");
    this.#tokens.set(name, token);
    return token;
  }
}

const caches = new WeakMap<TokenCredential, TokenCache>();

/** A credential whose tokens are cached here instead of in the SDK. */
export interface CachedCredential extends TokenCredential {
  /** Forgets a token that the service rejected. */
  forget(token: string): void;
}

/**
 * Returns a credential with the cache that all signers with it share.
 *
 * @param limit - Milliseconds that a request for a token may take.
 * @param onToken - Called with each token that is used.
 */
export function withTokenCache(
  credential: TokenCredential,
  limit: number,
  onToken?: (token: AccessToken) => void,
): CachedCredential {
  const cache = caches.get(credential) ?? new TokenCache(credential);
  caches.set(credential, cache);
  return {
    getToken: async (scopes, options = {}) => {
      const token = await cache.get(scopes, options, limit);
      onToken?.(token);
      return { ...token, expiresOnTimestamp: UNCACHED };
    },
    forget: (token) => cache.forget(token),
  };
}
