/**
 * The authorization server as one client sees it: one authenticated POST of a form to any of its endpoints, with a proof
 * (RFC 9449 §5), the answer to a nonce challenge (§8) and to a wrong clock, and its refusals as errors.
 */

import { checkText, misconfigured } from "./arguments.js";
import { authenticate, type ClientAuth, type ClientCredentials, type ClientFields, chooseAuth } from "./client-auth.js";
import type { DPoPProver } from "./dpop-prover.js";
import { type EndpointName, type EndpointOptions, Endpoints } from "./endpoints.js";
import { type Answer, exchange, limited, parseObject } from "./http-exchange.js";
import { NonceStore } from "./nonce-store.js";
import { refusal, secretsOf } from "./refusal.js";
import { checkAlgorithms } from "./server-metadata.js";
import type { SignOptions } from "./signer.js";

export interface ServerOptions extends EndpointOptions {
  /**
   * What the server calls itself. Default: the metadata's. Compared with the `iss` of a callback (RFC 9207), and the
   * audience of assertions.
   */
  issuer?: string | undefined;
  /** How the client authenticates. By default `client_secret_post` with a secret (or as the metadata asks), else `none`. */
  clientAuth?: ClientAuth | undefined;
  /** Milliseconds that one call may take, its retries and the signatures included. Default 10,000. */
  timeout?: number | undefined;
  /** A `fetch` of your own: a proxy, mutual TLS, a test. */
  fetch?: typeof fetch | undefined;
}

/** What one form is sent with. */
export interface EndpointRequest {
  endpoint: EndpointName;
  client: ClientCredentials;
  /** Signs a proof for each try. */
  prover?: DPoPProver | undefined;
  /**
   * Makes the form around the fields of the client's authentication. Called for each try, since what is signed in it must
   * be fresh.
   */
  form: (clientFields: ClientFields, use: FormUse) => URLSearchParams | Promise<URLSearchParams>;
  signal?: AbortSignal | undefined;
  /** Told the status of each answer. */
  answered?: ((status: number) => void) | undefined;
}

/** What a form that is signed needs to know. */
export interface FormUse extends SignOptions {
  /** The server, as the audience of an assertion. */
  audience: string;
  /** Seconds since 1970. */
  now: number;
}

/** An answer of status 2xx. */
export interface Accepted extends Answer {
  readonly url: URL;
  /** The JSON object, if it is one. */
  readonly body: Record<string, unknown> | undefined;
}

interface Attempt {
  readonly answer: Answer;
  readonly secrets: readonly string[];
  /** Of the prover when it signed. Another call may have set its clock since. */
  readonly clockOffset: number;
}

type Remedy = "nonce" | "clock";

export const DEFAULT_TIMEOUT = 10_000;
const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

export class AuthorizationServer {
  readonly endpoints: Endpoints;
  readonly issuer: string | undefined;
  readonly #options: ServerOptions;
  readonly #timeout: number;
  readonly #nonces = new NonceStore();

  /** @throws {OAuthError} code `misconfigured` for options that no secret should be sent with */
  constructor(options: ServerOptions) {
    const { clientAuth, metadata } = options;
    const mutualTls = clientAuth === "tls_client_auth";
    if (mutualTls && !options.fetch) throw misconfigured("tls_client_auth needs a fetch that shows the certificate.");
    this.endpoints = new Endpoints(options, { mutualTls });
    this.issuer = options.issuer ?? metadata?.issuer;
    this.#options = options;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    if (!(this.#timeout > 0)) throw misconfigured("timeout must be a number of milliseconds above 0.");
    if (metadata) checkAlgorithms(metadata);
  }

  /**
   * Posts one form. A challenge for a nonce, and a proof refused for its time, get one more try each.
   *
   * @throws {OAuthError} code of why there is no answer of status 2xx
   * @throws {SignerError} code of why a key did not sign
   */
  async post(request: EndpointRequest): Promise<Accepted> {
    const url = this.endpoints.url(request.endpoint);
    checkText("clientId", request.client.clientId);
    const auth = chooseAuth(this.#options.clientAuth, request.client, this.#options.metadata);
    const { answer, secrets } = await limited(
      { url, timeout: this.#timeout, signal: request.signal },
      async ({ signal }) => {
        const tried = new Set<Remedy>();
        for (;;) {
          const attempt = await this.#attempt(url, auth, request, signal);
          const remedy = remedyFor(attempt, request.prover, tried);
          if (remedy === undefined) return attempt;
          tried.add(remedy);
        }
      },
    );
    if (!answer.response.ok) throw refusal(url, answer, secrets);
    return { ...answer, url, body: parseObject(answer.text) };
  }

  async #attempt(url: URL, auth: ClientAuth, request: EndpointRequest, signal: AbortSignal): Promise<Attempt> {
    const { client, prover } = request;
    const audience = this.issuer ?? this.endpoints.url("token").href;
    const clockOffset = prover?.clockOffset ?? 0;
    const use = { audience, now: Math.floor(Date.now() / 1000) + clockOffset, signal };
    const { fields, headers } = await authenticate(auth, client, use);
    const form = await request.form(fields, use);
    const nonce = this.#nonces.get(url);
    const proof = await prover?.makeProof({ htm: "POST", htu: url, nonce, signal });
    const secret = proof === undefined ? headers : { ...headers, dpop: proof };
    const sent = { ...secret, accept: "application/json", "content-type": FORM };
    const init = { method: "POST", headers: sent, body: form.toString(), signal };
    const answer = await exchange(url, init, this.#options.fetch ?? fetch);
    this.#nonces.keep(url, answer.response.headers);
    request.answered?.(answer.response.status);
    return { answer, secrets: secretsOf(form, secret), clockOffset };
  }
}

/**
 * What would make the next try end otherwise, and was not tried yet. A nonce: RFC 9449 §8 says 400, there are servers
 * that say 401, and without a nonce in the answer nothing has changed. The clock: only for the error code that is about
 * the proof alone, and only if the answer's `Date` says another time.
 */
function remedyFor({ answer, clockOffset }: Attempt, prover: DPoPProver | undefined, tried: ReadonlySet<Remedy>) {
  const { response, text } = answer;
  if (prover === undefined || (response.status !== 400 && response.status !== 401)) return undefined;
  const error = parseObject(text)?.error;
  if (error === "use_dpop_nonce" && !tried.has("nonce") && response.headers.has("dpop-nonce")) return "nonce";
  if (error !== "invalid_dpop_proof") return undefined;
  prover.adjustClock(response.headers.get("date")); // for later calls too
  return prover.clockOffset === clockOffset || tried.has("clock") ? undefined : "clock";
}
