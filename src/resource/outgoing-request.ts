/** The arguments of a call to `fetch`, in one form. */
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
  return {
    input: target,
    init,
    url: new URL(typeof target === "string" ? target : target.url),
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

/** Calls the global `fetch`, which doesn't accept the `Request` of another implementation, such as that of undici. */
export function globalFetch(input: string | Request, init: RequestInit): Promise<Response> {
  const url = typeof input === "string" ? input : input.url;
  return fetch(input instanceof Request ? input : url, init);
}

/** Whether the input is a `Request`, of any `fetch` implementation. */
export function isRequest(input: string | URL | Request): input is Request {
  return typeof input === "object" && "url" in input;
}
