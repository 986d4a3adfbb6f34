/** The attempts of one call: the headers of each, and whether a response is worth another (RFC 9449 §8, §9). */
import { ProofRetry } from "../dpop/proof-retry.js";
import type { DPoPProver } from "../dpop/prover.js";
import type { HtuOption } from "../dpop/signed-htu.js";
import type { SignOptions } from "../keystore/signer.js";
import type { Credentials, Rejection, ResponseHead, ServerCache } from "./credentials.js";
import { reportRejection } from "./report-rejection.js";

/** What the attempts of all calls share. */
export interface AttemptContext extends HtuOption {
  readonly prover: DPoPProver;
  readonly adjustClock: boolean;
}

/** The request of one attempt. */
export interface AttemptTarget extends SignOptions {
  readonly method: string;
  readonly url: URL;
}

/** What one attempt sends. */
export interface Attempt {
  readonly proof: string;
  /** The value of the `Authorization` header, if the request has an access token. */
  readonly authorization: string | undefined;
  /** A form that replaces the body. */
  readonly form: URLSearchParams | undefined;
}

/** Makes a new proof for each attempt, and allows one more attempt for each reason that a new one can remove. */
export class Attempts {
  readonly #context: AttemptContext;
  readonly #servers: ServerCache;
  readonly #credentials: Credentials;
  readonly #proofs: ProofRetry;
  #prover: DPoPProver;
  #accessToken: string | undefined;

  constructor(context: AttemptContext, servers: ServerCache, credentials: Credentials) {
    this.#context = context;
    this.#servers = servers;
    this.#credentials = credentials;
    this.#prover = context.prover;
    this.#proofs = new ProofRetry(context.prover, servers.nonces, context);
  }

  /**
   * Makes what the next attempt sends.
   *
   * @throws {DPoPError} As {@link DPoPProver.makeProof} does, and with code `invalid-access-token`.
   * @throws {SignerError} If a key can't sign.
   */
  async next({ method, url, signal }: AttemptTarget): Promise<Attempt> {
    const credentials = await this.#credentials.next({ signal });
    const { accessToken, scheme, form, proofAlgorithms, prover = this.#context.prover } = credentials;
    this.#prover = prover;
    const supportedAlgorithms = proofAlgorithms ?? this.#servers.algorithms.get(url, prover.alg);
    const proof = await this.#proofs.next({ htm: method, htu: url, accessToken, supportedAlgorithms, signal }, prover);
    this.#accessToken = accessToken;
    return { proof, authorization: accessToken && `${scheme} ${accessToken}`, form };
  }

  /**
   * Caches the response's nonce, and decides whether another attempt can answer it, with a new nonce, time, name of the
   * algorithm, or token.
   *
   * @param url - The URL of the last attempt.
   * @returns True once for each of these reasons.
   * @throws {DPoPError} With code `misconfigured` if the server doesn't list the key's algorithm.
   */
  async canRetry(url: URL, response: ResponseHead, { signal }: SignOptions): Promise<boolean> {
    this.#servers.nonces.remember(url, response.headers);
    const rejection = await this.#credentials.rejectionOf(response);
    if (rejection === undefined) return false;
    const canRetry = await this.#canAnswer(url, response, rejection, { signal });
    if (!canRetry) reportRejection(url, response, this.#prover);
    return canRetry;
  }

  async #canAnswer(url: URL, response: ResponseHead, rejection: Rejection, { signal }: SignOptions): Promise<boolean> {
    const { algorithms: listed } = this.#servers;
    const { nonce, token, algorithms } = rejection;
    const isListed = listed.remember(url, algorithms, this.#prover.alg);
    const clock = this.#context.adjustClock && rejection.clock;
    if (this.#proofs.canRetry(response.headers, { nonce, clock, algorithms })) return !this.#credentials.singleUse;
    if (token && this.#accessToken !== undefined && this.#credentials.renewToken)
      return this.#credentials.renewToken(this.#accessToken, { signal });
    if (!isListed) throw listed.unsupported(url, algorithms, this.#prover.alg);
    return false;
  }
}
