/** Finds a server's metadata by its issuer: RFC 8414 §3, then OpenID Connect Discovery §4. */
import { untilAborted } from "../deadline.js";
import { refusal } from "./error-response.js";
import { exchange, limited, parseObject } from "./http.js";
import { checkMetadata, type ServerMetadata } from "./server-metadata.js";
import { checkBaseUrl, type UrlTrust } from "./server-url.js";

export interface DiscoveryOptions extends UrlTrust {
  timeout: number;
  signal?: AbortSignal | undefined;
  fetch?: typeof fetch | undefined;
}

/** Metadata, or the request for it, which ends when nobody waits any more. */
interface Kept {
  readonly metadata: Promise<ServerMetadata>;
  readonly request: AbortController;
  waiting: number;
  /** Milliseconds since 1970. Endless while it is fetched. */
  expires: number;
}

const DEFAULT_LIFETIME = 60 * 60; // seconds
const MOST_LIFETIME = 24 * 60 * 60;
const MOST_ISSUERS = 256;

/** By the `fetch` that is used: what comes through a proxy or a test is nobody else's. */
const kept = new WeakMap<typeof fetch, Map<string, Kept>>();

/**
 * Metadata is kept as long as the server's `Cache-Control` says, an hour if it says nothing, a day at most. Callers at the
 * same time share one request, each with a time-out of its own; a failure is not kept.
 *
 * @throws {OAuthError} code of why there is no metadata
 */
export async function discoverMetadata(issuer: string, options: DiscoveryOptions): Promise<ServerMetadata> {
  const { timeout, signal, fetch = globalThis.fetch } = options;
  const url = new URL(checkBaseUrl("issuer", issuer, options));
  return limited({ url, timeout, signal }, (own) => shared(issuer, fetch, own.signal));
}

async function shared(issuer: string, fetch: typeof globalThis.fetch, signal: AbortSignal): Promise<ServerMetadata> {
  const issuers = kept.get(fetch) ?? new Map<string, Kept>();
  kept.set(fetch, issuers);
  const known = issuers.get(issuer);
  const one = known !== undefined && known.expires > Date.now() ? known : begin(issuer, fetch, issuers);
  one.waiting++;
  try {
    return await untilAborted(signal, () => one.metadata);
  } finally {
    one.waiting--;
    if (one.waiting === 0 && one.expires === Number.POSITIVE_INFINITY) {
      if (issuers.get(issuer) === one) issuers.delete(issuer);
      one.request.abort();
    }
  }
}

function begin(issuer: string, fetch: typeof globalThis.fetch, issuers: Map<string, Kept>): Kept {
  const request = new AbortController();
  const metadata = fetchMetadata(issuer, fetch, request.signal).then(({ document, lifetime }) => {
    fresh.expires = Date.now() + lifetime * 1000;
    return document;
  });
  const fresh: Kept = { metadata, request, waiting: 0, expires: Number.POSITIVE_INFINITY };
  issuers.delete(issuer);
  issuers.set(issuer, fresh);
  const [oldest] = issuers.keys();
  if (issuers.size > MOST_ISSUERS && oldest !== undefined) issuers.delete(oldest);
  return fresh;
}

async function fetchMetadata(issuer: string, fetch: typeof globalThis.fetch, signal: AbortSignal) {
  const [oauth, openid] = wellKnown(issuer);
  const get = (url: URL) => exchange(url, { headers: { accept: "application/json" }, signal }, fetch);
  const first = await get(oauth);
  // A server that has no such document says so with a 4xx. Anything else is its answer.
  const absent = first.response.status >= 400 && first.response.status < 500;
  const { response, text } = absent ? await get(openid) : first;
  if (!response.ok) throw refusal(absent ? openid : oauth, { response, text });
  const document = checkMetadata(parseObject(text), issuer, response);
  return { document, lifetime: lifetimeOf(response.headers) };
}

/** RFC 8414 §3.1 inserts the well-known part before the issuer's path, OpenID appends it. */
function wellKnown(issuer: string): [oauth: URL, openid: URL] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/+$/, "");
  return [
    new URL(`${origin}/.well-known/oauth-authorization-server${path}`),
    new URL(`${origin}${path}/.well-known/openid-configuration`),
  ];
}

/** Seconds. */
function lifetimeOf(headers: Headers): number {
  const directives = headers.get("cache-control") ?? "";
  if (/(^|[\s,])(no-store|no-cache)\b/i.test(directives)) return 0;
  const [, seconds] = /(?:^|[\s,])max-age="?(\d+)/i.exec(directives) ?? [];
  return seconds === undefined ? DEFAULT_LIFETIME : Math.min(Number(seconds), MOST_LIFETIME);
}
