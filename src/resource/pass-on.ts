/** `Request` objects without a proof, which are passed on to a custom `fetch`. */
import type { OutgoingRequest } from "./outgoing-request.js";
import { bufferedBody } from "./replayable-body.js";

/**
 * Calls a custom `fetch` with a URL and the members of the request, since an implementation of `fetch` doesn't accept the
 * `Request` of another one.
 *
 * @param limit - Bytes of the body of a `Request` to buffer, so that it is sent with its `Content-Length`.
 */
export async function passOn(fetch: typeof globalThis.fetch, request: OutgoingRequest, limit: number) {
  const { init, url, method, headers, redirect, signal } = request;
  const body = init.body ?? (await bufferedBody(request, limit));
  const hasBody = body !== undefined && { body, duplex: "half" };
  return fetch(url.href, { ...init, method, headers, redirect, signal: signal ?? null, ...hasBody } as RequestInit);
}
