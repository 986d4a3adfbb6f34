/** One call to a resource server: its requests, until there is an answer to give back (RFC 9449 §7 and §9). */
import type { DPoPProver } from "./dpop-prover.js";
import { DPoPError } from "./errors.js";
import type { NonceStore } from "./nonce-store.js";
import { BODY_HEADERS, type Redirect, redirectOf } from "./redirect.js";
import { gathered, type RequestBody, requestBody } from "./request-body.js";
import type { TokenSource } from "./token-source.js";
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

/** One answered request, and what another one could do better. */
interface Attempt {
  readonly response: Response;
  readonly accessToken: string;
  readonly nonce: string | undefined;
  readonly clockOffset: number;
}

/** The errors of a challenge that another request may be the answer to, each of them once in a call. */
const CURABLE = ["use_dpop_nonce", "invalid_dpop_proof", "invalid_token"] as const;
type Curable = (typeof CURABLE)[number];

const MOST_REDIRECTS = 20;

export class ResourceCall {
  readonly #terms: CallTerms;
  readonly #init: RequestInit;
  readonly #signal: AbortSignal | undefined;
  readonly #headers: Headers;
  readonly #cured = new Set<Curable>();
  readonly #redirect: NonNullable<RequestInit["redirect"]>;
  #input: string | Request;
  #url: URL;
  #method: string;
  #body: RequestBody | undefined;

  /** @throws {DPoPError} code `forbidden-origin` or `forbidden-header` */
  constructor(terms: CallTerms, input: string | URL | Request, init: RequestInit, signal: AbortSignal | undefined) {
    const request = isRequest(input) ? input : undefined;
    this.#terms = terms;
    this.#init = init;
    this.#signal = signal;
    this.#input = isRequest(input) ? input : String(input);
    this.#url = new URL(request?.url ?? String(input));
    this.#method = init.method ?? request?.method ?? "GET";
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
      Object.defineProperty(response, "redirected", { value: true });
    }
    return response;
  }

  #turnTo({ url, dropsBody }: Redirect): void {
    this.#url = url;
    this.#input = url.href;
    if (dropsBody) this.#dropBody();
    else this.#checkBody();
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
      const attempt = await this.#send();
      const cured = await this.#cure(attempt);
      if (!cured) return attempt.response;
      this.#cured.add(cured);
      discard(attempt.response);
      this.#checkBody();
    }
  }

  async #send(): Promise<Attempt> {
    const { prover, source, nonces, fetch } = this.#terms;
    const { accessToken, cnfJkt } = await source.token({ signal: this.#signal });
    if (cnfJkt !== null && cnfJkt !== prover.jkt)
      throw new DPoPError("invalid-access-token", `The token is bound to key ${cnfJkt}, not to ${prover.jkt}.`);
    const nonce = nonces.get(this.#url);
    const { clockOffset } = prover;
    const target = { htm: this.#method, htu: this.#url, accessToken, nonce, signal: this.#signal };
    const headers = new Headers(this.#headers);
    headers.set("dpop", await prover.makeProof(target));
    headers.set("authorization", `DPoP ${accessToken}`);
    const response = await fetch(this.#input, this.#sent(headers));
    nonces.keep(this.#url, response.headers);
    return { response, accessToken, nonce, clockOffset };
  }

  #sent(headers: Headers): RequestInit {
    return {
      ...this.#init,
      method: this.#method,
      headers,
      body: this.#body?.open() ?? null,
      ...(this.#body && { duplex: "half" }),
      redirect: this.#redirect === "follow" ? "manual" : this.#redirect,
      signal: this.#signal ?? null,
    };
  }

  /** @returns what the answer complained of, if another request will now say something else */
  async #cure(attempt: Attempt): Promise<Curable | undefined> {
    if (attempt.response.status !== 401) return undefined;
    const errors = errorsOf(attempt.response);
    for (const error of CURABLE)
      if (errors.includes(error) && !this.#cured.has(error) && (await this.#cures(error, attempt))) return error;
    return undefined;
  }

  /** Compares with what was sent, since another call may have seen to it already. */
  async #cures(error: Curable, { response, accessToken, nonce, clockOffset }: Attempt): Promise<boolean> {
    const { nonces, prover, source, adjustClock } = this.#terms;
    if (error === "use_dpop_nonce") return nonces.get(this.#url) !== nonce;
    if (error === "invalid_token")
      return (await source.renew(accessToken, { signal: this.#signal })).accessToken !== accessToken;
    if (adjustClock) prover.adjustClock(response.headers.get("date"));
    return adjustClock && prover.clockOffset !== clockOffset;
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

/** Without the query, which may hold what is nobody's business. */
function nameOf({ origin, pathname }: URL): string {
  return origin + pathname;
}
