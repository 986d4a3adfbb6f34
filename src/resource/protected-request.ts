/**
 * One call: its requests, retries and redirects, until there is a final response (RFC 9449 §7, §9).
 */

import { DPoPError } from "../errors.js";
import { displayUrl } from "../oauth/http.js";
import type { AssertAllowedOrigin } from "./allowed-origins.js";
import { type AttemptContext, Attempts } from "./attempts.js";
import type { Credentials, ServerCache } from "./credentials.js";
import type { CompleteFetch, OutgoingRequest } from "./outgoing-request.js";
import { BODY_HEADERS, type Redirect, redirectOf } from "./redirect.js";
import { type Body, bufferedBody, type RequestBody, requestBody } from "./replayable-body.js";
import { responseHead } from "./response-head.js";

/** What all calls of one `dpopFetch` or `proofFetch` share. */
export interface CallContext extends AttemptContext {
  readonly fetch: CompleteFetch;
  readonly assertAllowedOrigin: AssertAllowedOrigin;
  /** Bytes. */
  readonly maxBufferedBody: number;
}

const MAX_REDIRECTS = 20;
const NOT_SENT = "A client assertion is never sent to the target of a redirect. Configure the endpoint's final URL.";

/** One call with proofs. Can be sent once. */
export class ProtectedRequest {
  readonly #context: CallContext;
  readonly #credentials: Credentials;
  readonly #attempts: Attempts;
  readonly #request: OutgoingRequest;
  readonly #headers: Headers;
  #input: string | Request;
  #url: URL;
  #method: string;
  #body: RequestBody | undefined;
  #response: Response | undefined;

  /** @param request - Its origin must have been checked. Its headers are changed. */
  constructor(context: CallContext, servers: ServerCache, credentials: Credentials, request: OutgoingRequest) {
    this.#context = context;
    this.#credentials = credentials;
    this.#attempts = new Attempts(context, servers, credentials);
    this.#request = request;
    this.#headers = request.headers;
    this.#input = request.input;
    this.#url = request.url;
    this.#method = request.method;
  }

  /** Sends the request, with retries and redirects, and returns the final response. */
  async send(): Promise<Response> {
    try {
      this.#body = await this.#openInput();
      const response = await this.#followRedirects(await this.#sendWithRetries());
      this.#body?.release();
      return response;
    } catch (reason) {
      this.#body?.release(reason);
      if (this.#response) discard(this.#response);
      throw reason;
    }
  }

  async #openInput(): Promise<RequestBody | undefined> {
    const { maxBufferedBody } = this.#context;
    const { init } = this.#request;
    const body = init.body ?? (await bufferedBody(this.#request, maxBufferedBody));
    return body === undefined ? undefined : requestBody(body, maxBufferedBody);
  }

  async #followRedirects(first: Response): Promise<Response> {
    let response = first;
    for (let remaining = MAX_REDIRECTS; this.#request.redirect === "follow"; remaining--) {
      const redirect = redirectOf({ url: this.#url, method: this.#method }, response);
      if (!redirect) break;
      discard(response);
      if (remaining === 0)
        throw new DPoPError("redirect", `${displayUrl(this.#url)} redirects more than ${MAX_REDIRECTS} times.`);
      this.#followRedirect(redirect);
      response = await this.#sendWithRetries();
    }
    if (response !== first) Object.defineProperty(response, "redirected", { value: true });
    return response;
  }

  #followRedirect({ url, dropsBody }: Redirect): void {
    if (this.#credentials.forbidsRedirect)
      throw new DPoPError("redirect", `${displayUrl(this.#url)} redirects to ${displayUrl(url)}. ${NOT_SENT}`);
    this.#url = url;
    this.#input = url.href;
    if (dropsBody) this.#dropBody();
    else this.#rewindBody();
  }

  #dropBody(): void {
    this.#method = "GET";
    this.#body?.release(new DPoPError("redirect", "The redirect changed the request to a GET without a body."));
    this.#body = undefined;
    for (const name of BODY_HEADERS) this.#headers.delete(name);
  }

  /** Sends the request, and retries it after each challenge that a new request can answer. */
  async #sendWithRetries(): Promise<Response> {
    const { signal } = this.#request;
    for (;;) {
      const response = await this.#sendOnce();
      if (!(await this.#attempts.canRetry(this.#url, responseHead(response), { signal }))) return response;
      discard(response);
      this.#rewindBody();
    }
  }

  async #sendOnce(): Promise<Response> {
    const { signal } = this.#request;
    const target = { method: this.#method, url: this.#url, signal };
    const { proof, authorization, form } = await this.#attempts.next(target);
    this.#headers.set("dpop", proof);
    if (authorization !== undefined) this.#headers.set("authorization", authorization);
    signal?.throwIfAborted(); // a signer or a custom fetch may ignore the signal
    this.#response = await this.#context.fetch(this.#input, this.#requestInit(form));
    return this.#response;
  }

  #requestInit(form: URLSearchParams | undefined): RequestInit {
    const { init, redirect, signal } = this.#request;
    return {
      ...init,
      method: this.#method,
      headers: this.#headers,
      body: form ?? this.#openBody() ?? null,
      ...(this.#body && { duplex: "half" }),
      redirect: redirect === "follow" ? "manual" : redirect,
      signal: signal ?? null,
    };
  }

  /** Stops the previous attempt, which must not read more of a stream while the next proof is signed. */
  #rewindBody(): void {
    this.#body?.stop();
    this.#assertReplayable();
  }

  #openBody(): Body | undefined {
    this.#assertReplayable();
    return this.#body?.open();
  }

  #assertReplayable(): void {
    if (this.#body?.replayable !== false) return;
    const problem = `The request to ${displayUrl(this.#url)} must be sent again, but its body is a stream that was already sent`;
    throw new DPoPError("body-spent", `${problem}. Make the call again with a new stream, or raise maxBufferedBody.`);
  }
}

/** Cancels the body, so that the connection can be reused. */
function discard({ body }: Response): void {
  body?.cancel().catch(() => undefined);
}
