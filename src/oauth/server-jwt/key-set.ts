/** The server's public keys (RFC 7517 §5) from its `jwks_uri`: cached, and fetched again when a key isn't among them. */
import type { createLocalJWKSet, JSONWebKeySet } from "jose";
import { OAuthError } from "../../errors.js";
import { LruMap } from "../../lru-map.js";
import { errorResponse } from "../error-response.js";
import { displayUrl, send, withTimeLimit } from "../http.js";

/** Chooses the key for the header of a JWT. */
export type KeySet = ReturnType<typeof createLocalJWKSet>;

/** Where the keys are, and how to fetch them. */
export interface KeySetSource {
  readonly url: URL;
  readonly fetch: typeof fetch;
  /** Milliseconds. The time limit of the request, which isn't aborted when a caller stops waiting. */
  readonly timeout: number;
}

interface CacheEntry {
  readonly keys: Promise<KeySet>;
  /** Milliseconds since 1970. */
  readonly requestedAt: number;
  /** Whether the keys were fetched because of an unknown key. */
  readonly isRefetch: boolean;
}

/** Milliseconds. A key that the server withdraws is accepted this long. */
const LIFETIME = 10 * 60 * 1000;
/** Milliseconds between two requests for unknown keys. Without it, every JWT with an unknown key would cause a request. */
const MIN_INTERVAL = 5000;
const MAX_SETS = 256;

/** Cached keys by `fetch` and URL, as the metadata is. */
const cache = new WeakMap<typeof fetch, LruMap<string, CacheEntry>>();

/**
 * Runs a verification with the server's keys. If it doesn't find the key in the cached set, or the signature isn't by
 * that key, it is repeated once with a new set: the server may have rotated its keys (OpenID Connect Core §10.1.1).
 *
 * @param isKeyError - Whether other keys could change the result.
 * @throws {OAuthError} If the keys can't be fetched or aren't a key set; otherwise what the verification throws.
 */
export async function withKeySet<T>(
  source: KeySetSource,
  verify: (keys: KeySet) => Promise<T>,
  isKeyError: (error: unknown) => boolean,
): Promise<T> {
  const cached = keySet(source);
  const keys = await cached.keys;
  try {
    return await verify(keys);
  } catch (error) {
    const current = isKeyError(error) ? keySet(source, { isRefetch: true }) : cached;
    if (current === cached) throw error;
    return verify(await current.keys);
  }
}

/** Fetches the keys if they aren't cached, so that a later verification doesn't fail because of the network. */
export async function loadKeySet(source: KeySetSource): Promise<void> {
  await keySet(source).keys;
}

/**
 * Returns the keys. Concurrent callers share one request. A failed request is replaced by the keys before it.
 *
 * @param isRefetch - Whether the cached keys lack the one of a JWT. They are fetched again even if they are new: the
 *   server may have made the key a moment ago, because of the request that returned the JWT.
 */
function keySet(source: KeySetSource, { isRefetch } = { isRefetch: false }): CacheEntry {
  const sets = cache.get(source.fetch) ?? new LruMap<string, CacheEntry>(MAX_SETS);
  cache.set(source.fetch, sets);
  const { href } = source.url;
  const cached = sets.get(href);
  if (cached !== undefined && isCurrent(cached, isRefetch)) return cached;
  const entry: CacheEntry = { keys: fetchKeySet(source), requestedAt: Date.now(), isRefetch };
  sets.set(href, entry);
  entry.keys.catch(() => {
    if (sets.get(href) !== entry) return;
    sets.delete(href);
    if (cached !== undefined) sets.set(href, cached);
  });
  return entry;
}

function isCurrent(cached: CacheEntry, isRefetch: boolean): boolean {
  const age = Math.abs(Date.now() - cached.requestedAt);
  return isRefetch ? cached.isRefetch && age < MIN_INTERVAL : age < LIFETIME;
}

async function fetchKeySet({ url, fetch, timeout }: KeySetSource): Promise<KeySet> {
  const headers = { accept: "application/jwk-set+json, application/json" };
  const result = await withTimeLimit({ url, timeout }, ({ signal }) => send(url, { headers, signal }, fetch));
  if (!result.response.ok) throw errorResponse(url, result);
  const { createLocalJWKSet } = await import("jose");
  try {
    return createLocalJWKSet(result.body as unknown as JSONWebKeySet); // which validates it
  } catch {
    const message = `The response of ${displayUrl(url)} isn't a JSON Web Key Set (RFC 7517 §5).`;
    throw new OAuthError("invalid-response", message, { response: result.response });
  }
}
