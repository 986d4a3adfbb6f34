/**
 * One call to a resource server: its requests, retries and redirects, until there is a final response (RFC 9449 §7,
 * §9).
 */

import { normalizeMethod } from "../dpop/http-method.js";
import type { NonceCache } from "../dpop/nonce-cache.js";
import { ProofRetry } from "../dpop/proof-retry.js";
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import { displayUrl } from "../oauth/http.js";
import type { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import type { AssertAllowedOrigin } from "./allowed-origins.js";
import { readChallenge } from "./dpop-challenge.js";
import type { ListedAlgorithms } from "./listed-algorithms.js";
import { BODY_HEADERS, type Redirect, redirectOf } from "./redirect.js";
import { type Body, bufferUpTo, type RequestBody, requestBody } from "./replayable-body.js";

/** What all calls of one `dpopFetch` share. */
export interface CallContext {
  readonly prover: DPoPProver;
  readonly source: TokenSource;
  readonly fetch: (input: string | Request, init: RequestInit) => Promise<Response>;
  readonly assertAllowedOrigin: AssertAllowedOrigin;
  /** Separate from the authorization server's nonces (RFC 9449 §9). */
  readonly nonces: NonceCache;
  readonly algorithms: ListedAlgorithms;
  readonly maxBufferedBody: number;
  readonly adjustClock: boolean;
}

const MAX_REDIRECTS = 20;

/** One call of a `dpopFetch` function. Can be sent once. */
export class ProtectedRequest {
  readonly #context: CallContext;
  readonly #init: RequestInit;
  readonly #signal: AbortSignal | undefined;
  readonly #headers: Headers;
  readonly #proofs: ProofRetry;
  readonly #redirect: NonNullable<RequestInit["redirect"]>;
  #input: string | Request;
  #url: URL;
  #method: string;
  #body: RequestBody | undefined;
  #response: Response | undefined;
  #hasRenewedToken = false;

  /** @throws {DPoPError} With code `forbidden-origin`, `forbidden-header` or `invalid-htm`. */
  constructor(context: CallContext, input: string | URL | Request, init: RequestInit, signal: AbortSignal | undefined) {
    const request = isRequest(input) ? input : undefined;
    this.#context = context;
    this.#proofs = new ProofRetry(context.prover, context.nonces);
    this.#init = init;
    this.#signal = signal;
    this.#input = request ?? String(input);
    this.#url = new URL(typeof this.#input === "string" ? this.#input : this.#input.url);
    this.#method = normalizeMethod(init.method ?? request?.method ?? "GET");
    this.#headers = new Headers(init.headers ?? request?.headers);
    this.#redirect = init.redirect ?? request?.redirect ?? "follow";
    context.assertAllowedOrigin(this.#url);
    for (const name of ["authorization", "dpop"])
      if (this.#headers.has(name))
        throw new DPoPError("forbidden-header", `Remove the ${name} header: dpopFetch sets it for each request.`);
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
    if (this.#init.body != null) return requestBody(this.#init.body, maxBufferedBody);
    if (!isRequest(this.#input) || this.#input.body === null) return undefined;
    if (this.#input.bodyUsed) throw new TypeError("The Request's body has already been used.");
    return requestBody(await bufferUpTo(this.#input.body, maxBufferedBody), maxBufferedBody);
  }

  async #followRedirects(first: Response): Promise<Response> {
    let response = first;
    for (let remaining = MAX_REDIRECTS; this.#redirect === "follow"; remaining--) {
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
    for (;;) {
      const { accessToken } = await this.#token();
      const response = await this.#sendOnce(accessToken);
      if (response.status !== 401 || !(await this.#canRetry(response, accessToken))) return response;
      discard(response);
      this.#rewindBody();
    }
  }

  async #token(): Promise<Token> {
    const { prover, source } = this.#context;
    const token = await source.token({ signal: this.#signal });
    if (token.cnfJkt === null || token.cnfJkt === prover.jkt) return token;
    const message = `The token is bound to key ${token.cnfJkt}, not to the prover's key ${prover.jkt}.`;
    throw new DPoPError("invalid-access-token", message);
  }

  async #sendOnce(accessToken: string): Promise<Response> {
    const { nonces, algorithms, fetch } = this.#context;
    const supportedAlgorithms = algorithms.get(this.#url);
    const target = { htm: this.#method, htu: this.#url, accessToken, supportedAlgorithms, signal: this.#signal };
    this.#headers.set("dpop", await this.#proofs.next(target));
    this.#headers.set("authorization", `DPoP ${accessToken}`);
    this.#signal?.throwIfAborted(); // a signer or a custom fetch may ignore the signal
    this.#response = await fetch(this.#input, this.#requestInit());
    nonces.remember(this.#url, this.#response.headers);
    return this.#response;
  }

  #requestInit(): RequestInit {
    return {
      ...this.#init,
      method: this.#method,
      headers: this.#headers,
      body: this.#openBody() ?? null,
      ...(this.#body && { duplex: "half" }),
      redirect: this.#redirect === "follow" ? "manual" : this.#redirect,
      signal: this.#signal ?? null,
    };
  }

  /**
   * Whether another request can answer the challenge, with a new nonce, time, name of the algorithm, or token. True once
   * for each of them.
   *
   * @throws {DPoPError} With code `misconfigured` if the server doesn't list the key's algorithm.
   */
  async #canRetry(response: Response, accessToken: string): Promise<boolean> {
    const { algorithms: listed, adjustClock } = this.#context;
    const { errors, algorithms } = readChallenge(response);
    const isListed = listed.remember(this.#url, algorithms);
    const clock = adjustClock && errors.includes("invalid_dpop_proof");
    const rejection = { nonce: errors.includes("use_dpop_nonce"), clock, algorithms };
    if (this.#proofs.canRetry(response.headers, rejection)) return true;
    if (errors.includes("invalid_token")) return this.#renewToken(accessToken);
    if (!isListed) throw listed.unsupported(this.#url, algorithms);
    return false;
  }

  async #renewToken(accessToken: string): Promise<boolean> {
    if (this.#hasRenewedToken) return false;
    const next = await this.#context.source.renew(accessToken, { signal: this.#signal });
    this.#hasRenewedToken = next.accessToken !== accessToken;
    return this.#hasRenewedToken;
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

/** Whether the input is a `Request`, of any `fetch` implementation. */
export function isRequest(input: string | URL | Request): input is Request {
  return typeof input === "object" && "url" in input;
}

/** Cancels the body, so that the connection can be reused. */
function discard({ body }: Response): void {
  body?.cancel().catch(() => undefined);
}
