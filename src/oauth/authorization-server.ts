/**
 * The authorization server as one client sees it: one authenticated POST of a form to any of its endpoints, with a proof
 * (RFC 9449 §5), the answer to a nonce challenge (§8) and to a wrong clock, and its refusals as errors.
 */

import { NonceStore } from "../dpop/nonce-cache.js";
import { type Complaint, ProofTries } from "../dpop/proof-retry.js";
import type { DPoPProver } from "../dpop/prover.js";
import type { SignOptions } from "../keystore/signer.js";
import { checkText, misconfigured } from "./assert.js";
import {
  authenticate,
  type ClientAuth,
  type ClientCredentials,
  type ClientFields,
  chooseAuth,
} from "./client-auth/client-auth.js";
import { type EndpointName, type EndpointOptions, Endpoints } from "./endpoints.js";
import { refusal } from "./error-response.js";
import { type Answer, exchange, limited, parseObject } from "./http.js";
import { secretsOf } from "./redact.js";
import { checkGiven } from "./server-metadata.js";

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
}

export const DEFAULT_TIMEOUT = 10_000;
const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

export class AuthorizationServer {
  readonly endpoints: Endpoints;
  /** What the server calls itself, where that is known. */
  readonly issuer: string | undefined;
  readonly #options: ServerOptions;
  readonly #timeout: number;
  readonly #nonces = new NonceStore();

  /** @throws {OAuthError} code `misconfigured` for options that no secret should be sent with */
  constructor(options: ServerOptions) {
    const { clientAuth, metadata } = options;
    if (metadata) checkGiven(metadata);
    const mutualTls = clientAuth === "tls_client_auth";
    if (mutualTls && !options.fetch) throw misconfigured("tls_client_auth needs a fetch that shows the certificate.");
    this.endpoints = new Endpoints(options, { mutualTls });
    this.issuer = options.issuer ?? metadata?.issuer;
    this.#options = options;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    if (!(this.#timeout > 0)) throw misconfigured("timeout must be a number of milliseconds above 0.");
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
    const limit = { url, timeout: this.#timeout, signal: request.signal };
    const { answer, secrets } = await limited(limit, async ({ signal }) => {
      const proofs = request.prover && new ProofTries(request.prover, this.#nonces);
      for (;;) {
        const attempt = await this.#attempt(url, auth, { ...request, signal }, proofs);
        if (!proofs?.mends(attempt.answer.response.headers, complaintOf(attempt.answer, auth))) return attempt;
      }
    });
    if (!answer.response.ok) throw refusal(url, answer, secrets);
    return { ...answer, url, body: parseObject(answer.text) };
  }

  async #attempt(url: URL, auth: ClientAuth, request: EndpointRequest, proofs?: ProofTries): Promise<Attempt> {
    const { client, prover, signal } = request;
    const audience = this.issuer ?? this.endpoints.url("token").href;
    const use = { audience, now: Math.floor(Date.now() / 1000) + (prover?.clockOffset ?? 0), signal };
    const { fields, headers, secrets } = await authenticate(auth, client, use);
    const form = await request.form(fields, use);
    const proof = await proofs?.next({ htm: "POST", htu: url, signal });
    signal?.throwIfAborted(); // not every key and fetch looks at it
    const own = proof === undefined ? headers : { ...headers, dpop: proof };
    const sent = { ...own, accept: "application/json", "content-type": FORM };
    const init = { method: "POST", headers: sent, body: form.toString(), signal: signal ?? null };
    const answer = await exchange(url, init, this.#options.fetch ?? fetch);
    this.#nonces.keep(url, answer.response.headers);
    request.answered?.(answer.response.status);
    return { answer, secrets: secretsOf({ form, headers: own, secrets }) };
  }
}

/**
 * RFC 9449 §8 says 400 for a nonce, there are servers that say 401. The clock is suspected for the error code that is about
 * the proof alone, and for a client whose assertion was signed at the same time.
 */
function complaintOf({ response, text }: Answer, auth: ClientAuth): Complaint {
  const refused = response.status === 400 || response.status === 401;
  const error = refused ? parseObject(text)?.error : undefined;
  const assertion = typeof auth === "object" && error === "invalid_client";
  return { nonce: error === "use_dpop_nonce", clock: error === "invalid_dpop_proof" || assertion };
}
