/** Discovers a server's metadata by its issuer: RFC 8414 §3, OpenID Connect Discovery §4. */
import { untilAborted } from "../deadline.js";
import { LruMap } from "../lru-map.js";
import { assertFetch, assertTimeout } from "./assert.js";
import { withTimeLimit } from "./http.js";
import { parseMetadata, type ServerMetadata } from "./server-metadata.js";
import { parseBaseUrl, type UrlTrust } from "./server-url.js";
import { issuerMetadataUrls } from "./well-known.js";
import { fetchFirstDocument } from "./well-known-document.js";

/** Options of {@link discoverMetadata}. */
export interface DiscoveryOptions extends UrlTrust {
  /** Milliseconds. */
  timeout: number;
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch | undefined;
}

/** Metadata, or the request for it. The request is aborted when its last caller stops waiting. */
class CacheEntry {
  readonly metadata: Promise<ServerMetadata>;
  readonly request = new AbortController();
  /** The number of callers that wait for the metadata. */
  waiting = 0;
  /** The URL that was requested last. */
  requestedUrl: URL | undefined;
  /** Milliseconds since 1970. `Infinity` while the request is in flight. */
  expires = Number.POSITIVE_INFINITY;

  constructor(issuer: string, fetch: typeof globalThis.fetch) {
    this.metadata = this.#fetchMetadata(issuer, fetch);
  }

  async #fetchMetadata(issuer: string, fetch: typeof globalThis.fetch): Promise<ServerMetadata> {
    const { body, response } = await fetchFirstDocument(issuerMetadataUrls(issuer), {
      what: `The metadata of ${issuer}`,
      isDocument: (object) => typeof object.issuer === "string",
      fetch,
      signal: this.request.signal,
      onRequest: (url) => {
        this.requestedUrl = url;
      },
    });
    const metadata = parseMetadata(body, issuer, response);
    this.expires = Date.now() + lifetimeOf(response.headers) * 1000;
    return metadata;
  }
}

const DEFAULT_LIFETIME = 60 * 60; // seconds
const MAX_LIFETIME = 24 * 60 * 60;
const MAX_ISSUERS = 256;

/**
 * Cached metadata by `fetch` and issuer: what one `fetch` received, such as that of a test, isn't valid for another.
 */
const cache = new WeakMap<typeof fetch, LruMap<string, CacheEntry>>();

/**
 * Returns the metadata of an issuer. Caches it as long as `Cache-Control` allows: one hour by default, one day at most.
 * Concurrent callers share one request, each with its own time limit. A failure is not cached.
 *
 * @throws {OAuthError} If the metadata can't be fetched, or is invalid.
 */
export async function discoverMetadata(issuer: string, options: DiscoveryOptions): Promise<ServerMetadata> {
  const { timeout, signal, fetch = globalThis.fetch } = options;
  assertFetch(fetch);
  assertTimeout(timeout);
  const url = new URL(parseBaseUrl(issuer, "issuer", options));
  const requestedUrl = () => cache.get(fetch)?.get(issuer)?.requestedUrl ?? url;
  return withTimeLimit({ url: requestedUrl, timeout, signal }, (deadline) =>
    cachedMetadata(issuer, fetch, deadline.signal),
  );
}

async function cachedMetadata(
  issuer: string,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
): Promise<ServerMetadata> {
  const issuers = cache.get(fetch) ?? new LruMap<string, CacheEntry>(MAX_ISSUERS);
  cache.set(fetch, issuers);
  const cached = issuers.get(issuer);
  const entry = cached !== undefined && cached.expires > Date.now() ? cached : startRequest(issuer, fetch, issuers);
  entry.waiting++;
  try {
    return await untilAborted(signal, () => entry.metadata);
  } finally {
    entry.waiting--;
    if (entry.waiting === 0 && entry.expires === Number.POSITIVE_INFINITY) {
      if (issuers.get(issuer) === entry) issuers.delete(issuer);
      entry.request.abort();
    }
  }
}

function startRequest(issuer: string, fetch: typeof globalThis.fetch, issuers: LruMap<string, CacheEntry>): CacheEntry {
  const entry = new CacheEntry(issuer, fetch);
  issuers.set(issuer, entry);
  return entry;
}

/** Returns how long the response may be cached, in seconds. */
function lifetimeOf(headers: Headers): number {
  const directives = headers.get("cache-control") ?? "";
  if (/(^|[\s,])(no-store|no-cache)\b/i.test(directives)) return 0;
  const [, seconds] = /(?:^|[\s,])max-age="?(\d+)/i.exec(directives) ?? [];
  return seconds === undefined ? DEFAULT_LIFETIME : Math.min(Number(seconds), MAX_LIFETIME);
}
