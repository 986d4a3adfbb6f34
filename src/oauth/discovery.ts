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
interface CacheEntry {
  readonly metadata: Promise<ServerMetadata>;
  readonly request: AbortController;
  /** The number of callers that wait for the metadata. */
  waiting: number;
  /** The URL that was requested last. */
  readonly asked: { url?: URL };
  /** Milliseconds since 1970. `Infinity` while the request is in flight. */
  expires: number;
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
  const asked = () => cache.get(fetch)?.get(issuer)?.asked.url ?? url;
  return withTimeLimit({ url: asked, timeout, signal }, (deadline) => cachedMetadata(issuer, fetch, deadline.signal));
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
  const request = new AbortController();
  const asked: { url?: URL } = {};
  const metadata = fetchMetadata(issuer, fetch, request.signal, asked).then(({ document, lifetime }) => {
    entry.expires = Date.now() + lifetime * 1000;
    return document;
  });
  const entry: CacheEntry = { metadata, request, asked, waiting: 0, expires: Number.POSITIVE_INFINITY };
  issuers.set(issuer, entry);
  return entry;
}

async function fetchMetadata(
  issuer: string,
  fetch: typeof globalThis.fetch,
  signal: AbortSignal,
  asked: CacheEntry["asked"],
) {
  const { body, response } = await fetchFirstDocument(issuerMetadataUrls(issuer), {
    what: `The metadata of ${issuer}`,
    isDocument: (object) => typeof object.issuer === "string",
    fetch,
    signal,
    onRequest: (url) => {
      asked.url = url;
    },
  });
  return { document: parseMetadata(body, issuer, response), lifetime: lifetimeOf(response.headers) };
}

/** Returns how long the response may be cached, in seconds. */
function lifetimeOf(headers: Headers): number {
  const directives = headers.get("cache-control") ?? "";
  if (/(^|[\s,])(no-store|no-cache)\b/i.test(directives)) return 0;
  const [, seconds] = /(?:^|[\s,])max-age="?(\d+)/i.exec(directives) ?? [];
  return seconds === undefined ? DEFAULT_LIFETIME : Math.min(Number(seconds), MAX_LIFETIME);
}
