/** One call to a resource server: its requests, until there is an answer to give back (RFC 9449 §7 and §9). */

import { sentMethod } from "../dpop/http-method.js";
import type { NonceStore } from "../dpop/nonce-cache.js";
import { ProofTries } from "../dpop/proof-retry.js";
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import { nameOf } from "../oauth/http.js";
import type { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import { BODY_HEADERS, type Redirect, redirectOf } from "./redirect.js";
import { type Body, gathered, type RequestBody, requestBody } from "./replayable-body.js";
import { parseChallenges } from "./www-authenticate.js";

/** What all calls of one `dpopFetch` have in common. */
export interface CallTerms {
  readonly prover: DPoPProver;
  readonly source: TokenSource;
  readonly fetch: (input: string | Request, init: RequestInit) => Promise<Response>;
  /** Throws for a URL that the token must not be sent to. */
  readonly checkReach: (url: URL) => void;
  /** The resource servers' alone (RFC 9449 §9). */
  readonly nonces: NonceStore;
  readonly maxBufferedBody: number;
  readonly adjustClock: boolean;
}

const MOST_REDIRECTS = 20;

export class ResourceCall {
  readonly #terms: CallTerms;
  readonly #init: RequestInit;
  readonly #signal: AbortSignal | undefined;
  readonly #headers: Headers;
  readonly #proofs: ProofTries;
  readonly #redirect: NonNullable<RequestInit["redirect"]>;
  #input: string | Request;
  #url: URL;
  #method: string;
  #body: RequestBody | undefined;
  #response: Response | undefined;
  #renewed = false;

  /** @throws {DPoPError} code `forbidden-origin`, `forbidden-header` or `invalid-htm` */
  constructor(terms: CallTerms, input: string | URL | Request, init: RequestInit, signal: AbortSignal | undefined) {
    const request = isRequest(input) ? input : undefined;
    this.#terms = terms;
    this.#proofs = new ProofTries(terms.prover, terms.nonces);
    this.#init = init;
    this.#signal = signal;
    this.#input = isRequest(input) ? input : String(input);
    this.#url = new URL(request?.url ?? String(input));
    this.#method = sentMethod(init.method ?? request?.method ?? "GET");
    this.#headers = new Headers(init.headers ?? request?.headers);
    this.#redirect = init.redirect ?? request?.redirect ?? "follow";
    terms.checkReach(this.#url);
    for (const name of ["authorization", "dpop"])
      if (this.#headers.has(name))
        throw new DPoPError("forbidden-header", `Leave the ${name} header out: each request gets one of its own.`);
  }

  async run(): Promise<Response> {
    try {
      this.#body = await this.#takeBody();
      const response = await this.#followed(await this.#answered());
      this.#body?.release();
      return response;
    } catch (reason) {
      this.#body?.release(reason);
      if (this.#response) discard(this.#response);
      throw reason;
    }
  }

  async #takeBody(): Promise<RequestBody | undefined> {
    const { maxBufferedBody } = this.#terms;
    if (this.#init.body != null) return requestBody(this.#init.body, maxBufferedBody);
    if (!isRequest(this.#input) || this.#input.body === null) return undefined;
    if (this.#input.bodyUsed) throw new TypeError("The Request's body has already been used.");
    return requestBody(await gathered(this.#input.body, maxBufferedBody), maxBufferedBody);
  }

  async #followed(first: Response): Promise<Response> {
    let response = first;
    for (let left = MOST_REDIRECTS; this.#redirect === "follow"; left--) {
      const redirect = redirectOf({ url: this.#url, method: this.#method }, response);
      if (!redirect) break;
      discard(response);
      if (left === 0) throw new DPoPError("redirect", `${nameOf(this.#url)}: over ${MOST_REDIRECTS} redirects.`);
      this.#turnTo(redirect);
      response = await this.#answered();
    }
    if (response !== first) Object.defineProperty(response, "redirected", { value: true });
    return response;
  }

  #turnTo({ url, dropsBody }: Redirect): void {
    this.#url = url;
    this.#input = url.href;
    if (dropsBody) this.#dropBody();
    else this.#rewindBody();
  }

  #dropBody(): void {
    this.#method = "GET";
    this.#body?.release(new DPoPError("redirect", "The redirect left the body behind."));
    this.#body = undefined;
    for (const name of BODY_HEADERS) this.#headers.delete(name);
  }

  /** Sends, and sends again for each challenge that can be met. */
  async #answered(): Promise<Response> {
    for (;;) {
      const { accessToken } = await this.#token();
      const response = await this.#send(accessToken);
      if (response.status !== 401 || !(await this.#mends(response, accessToken))) return response;
      discard(response);
      this.#rewindBody();
    }
  }

  async #token(): Promise<Token> {
    const { prover, source } = this.#terms;
    const token = await source.token({ signal: this.#signal });
    if (token.cnfJkt === null || token.cnfJkt === prover.jkt) return token;
    throw new DPoPError("invalid-access-token", `The token is bound to key ${token.cnfJkt}, not to ${prover.jkt}.`);
  }

  async #send(accessToken: string): Promise<Response> {
    const { nonces, fetch } = this.#terms;
    const target = { htm: this.#method, htu: this.#url, accessToken, signal: this.#signal };
    this.#headers.set("dpop", await this.#proofs.next(target));
    this.#headers.set("authorization", `DPoP ${accessToken}`);
    this.#signal?.throwIfAborted(); // not every key and fetch looks at it
    this.#response = await fetch(this.#input, this.#sent());
    nonces.keep(this.#url, this.#response.headers);
    return this.#response;
  }

  #sent(): RequestInit {
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

  /** @returns whether another request will say what this answer asked for: a nonce, a time, a token, each once */
  async #mends(response: Response, accessToken: string): Promise<boolean> {
    const { source, adjustClock } = this.#terms;
    const errors = errorsOf(response);
    const clock = adjustClock && errors.includes("invalid_dpop_proof");
    if (this.#proofs.mends(response.headers, { nonce: errors.includes("use_dpop_nonce"), clock })) return true;
    if (!errors.includes("invalid_token") || this.#renewed) return false;
    const next = await source.renew(accessToken, { signal: this.#signal });
    this.#renewed = next.accessToken !== accessToken;
    return this.#renewed;
  }

  /** What the try before has read by now is all it gets: it must not read on while the next one's proof is signed. */
  #rewindBody(): void {
    this.#body?.stop();
    this.#checkBody();
  }

  #openBody(): Body | undefined {
    this.#checkBody();
    return this.#body?.open();
  }

  #checkBody(): void {
    if (this.#body?.replayable !== false) return;
    const again = "What was missing is there now: make the call again, or raise maxBufferedBody.";
    throw new DPoPError(
      "body-spent",
      `${nameOf(this.#url)} wants its request again, and the stream is spent. ${again}`,
    );
  }
}

export function isRequest(input: string | URL | Request): input is Request {
  return typeof input === "object" && "url" in input;
}

/** A DPoP challenge's own; `invalid_token` from a Bearer one too, for servers that take both. */
function errorsOf({ headers }: Response): (string | undefined)[] {
  return parseChallenges(headers.get("www-authenticate") ?? "")
    .map(({ scheme, parameters }) => ({ scheme, error: parameters.get("error") }))
    .filter(({ scheme, error }) => scheme === "dpop" || (scheme === "bearer" && error === "invalid_token"))
    .map(({ error }) => error);
}

/** Its connection is free again. */
function discard({ body }: Response): void {
  body?.cancel().catch(() => undefined);
}
