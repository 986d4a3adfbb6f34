/** The arguments of a call to `fetch`, in one form. */
import { encodeUrl } from "../dpop/encode-url.js";
import { normalizeMethod } from "../dpop/http-method.js";
import type { Body } from "./replayable-body.js";

/** A request that was passed to a `fetch`. */
export interface OutgoingRequest {
  readonly input: string | Request;
  readonly init: RequestInit;
  readonly url: URL;
  readonly method: string;
  /** A copy of the headers. */
  readonly headers: Headers;
  /** The body. That of a `Request` is a stream, even if the `Request` was created from a string. */
  readonly body: Body | undefined;
  readonly redirect: NonNullable<RequestInit["redirect"]>;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads the arguments, as `fetch` does: the members of `init` take precedence over those of a `Request`.
 *
 * @throws {DPoPError} With code `invalid-htm` if the method isn't an HTTP token.
 * @throws {TypeError} If the URL isn't absolute, or a header is invalid.
 */
export function outgoingRequest(input: string | URL | Request, init: RequestInit): OutgoingRequest {
  const request = isRequest(input) ? input : undefined;
  const target = request ?? String(input); // read once: an object could become another URL when it is read again
  const parsed = new URL(typeof target === "string" ? target : target.url);
  const url = encodeUrl(parsed);
  return {
    input: url === parsed ? target : url.href,
    init: request ? { ...membersOf(request), ...init } : init,
    url,
    method: normalizeMethod(init.method ?? request?.method ?? "GET"),
    headers: copyOfHeaders(init.headers ?? request?.headers),
    body: init.body ?? request?.body ?? undefined,
    redirect: init.redirect ?? request?.redirect ?? "follow",
    signal: signalOf(input, init),
  };
}

/** The error of `Headers` shows the value, which may be a token with a line break. */
function copyOfHeaders(headers: RequestInit["headers"]): Headers {
  try {
    return new Headers(headers);
  } catch {
    throw new TypeError("The request has an invalid header. It isn't shown, because it may contain a secret.");
  }
}

/** Returns the request with another body. `undefined`: without one. */
export function withBody(request: OutgoingRequest, body: Body | undefined): OutgoingRequest {
  return { ...request, init: { ...request.init, body: body ?? null }, body };
}

/** Returns the signal of a call. A `null` in `init` removes that of a `Request`. */
export function signalOf(input: string | URL | Request, init: RequestInit): AbortSignal | undefined {
  return (init.signal === undefined && isRequest(input) ? input.signal : init.signal) ?? undefined;
}

/** A `fetch` that is called with the complete init, which has the members of a `Request`. */
export type CompleteFetch = (input: string | Request, init: RequestInit) => Promise<Response>;

/** Calls the global `fetch`. Keeps a `Request` of its own implementation, which may have a dispatcher. */
export const globalFetch: CompleteFetch = (input, init) => fetch(input instanceof Request ? input : urlOf(input), init);

/**
 * Returns a custom `fetch` that is always called with a URL: an implementation, such as that of undici, doesn't accept
 * the `Request` of another one.
 */
export function customFetch(fetch: typeof globalThis.fetch): CompleteFetch {
  return (input, init) => fetch(urlOf(input), init);
}

function urlOf(input: string | Request): string {
  return typeof input === "string" ? input : input.url;
}

/** Returns the members of a `Request` that apply to all its attempts and redirects. */
function membersOf(request: Request): RequestInit {
  const { cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy } = request;
  // The oldest types of Node lack cache, so it isn't part of a literal with a type.
  const members = { cache, credentials, integrity, keepalive, mode, referrer, referrerPolicy };
  return members;
}

/** Whether the input is a `Request`, of any `fetch` implementation. */
export function isRequest(input: string | URL | Request): input is Request {
  return typeof input === "object" && "url" in input;
}
