/** The proofs of one call: a fresh one for each request, and when to retry after a rejected proof (RFC 9449 §8, §9). */

import { algorithmNamed, nameFor } from "../jose/find-algorithm.js";
import type { NonceCache } from "./nonce-cache.js";
import type { ProofOptions } from "./proof-options.js";
import type { DPoPProver } from "./prover.js";
import { type HtuOption, signedHtu } from "./signed-htu.js";

/** Why a server rejected a proof, according to its response. */
export interface ProofRejection {
  /** Whether the proof lacks the server's current nonce. */
  readonly nonce: boolean;
  /** Whether the proof's `iat` may be wrong. */
  readonly clock: boolean;
  /** The JWS algorithms that the response lists for proofs, if it does. */
  readonly algorithms?: readonly string[] | undefined;
}

interface LastProof {
  readonly url: URL;
  readonly nonce: string | undefined;
  readonly clockOffset: number;
  /** The name of the algorithm in its header. */
  readonly alg: string | undefined;
}

/** Makes the proofs of one call, and allows one retry for each reason in {@link ProofRejection}. */
export class ProofRetry {
  #prover: DPoPProver;
  readonly #nonces: NonceCache;
  readonly #htu: HtuOption;
  readonly #retried = new Set<keyof ProofRejection>();
  #last: LastProof | undefined;

  constructor(prover: DPoPProver, nonces: NonceCache, htu: HtuOption) {
    this.#prover = prover;
    this.#nonces = nonces;
    this.#htu = htu;
  }

  /**
   * Makes the proof of the next request, with the nonce and the time that the server has when the key is ready to sign.
   *
   * @param prover - Default: that of the last request.
   * @throws As {@link DPoPProver.makeProof} does.
   */
  next(target: ProofOptions & { htu: URL }, prover = this.#prover): Promise<string> {
    this.#prover = prover;
    const { htu: url } = target;
    const alg = this.#nameFor(target.supportedAlgorithms);
    const nonce = () => {
      const current = this.#nonces.get(url);
      this.#last = { url, nonce: current, clockOffset: prover.clockOffsetFor(url), alg };
      return current;
    };
    return prover.makeProof({ ...target, ...signedHtu(url, this.#htu), requestUrl: url, nonce });
  }

  /**
   * Decides whether a new proof can succeed where the last one was rejected: `use_dpop_nonce`, a wrong clock, or a name
   * of the algorithm that the server doesn't list. Compares the current values with those of the last proof, since a
   * concurrent call may already have updated them.
   *
   * @param headers - The response's headers. Their nonce must be in the cache already.
   * @returns Whether the next proof will differ in what was rejected. True at most once for each reason.
   */
  canRetry(headers: Headers, { nonce, clock, algorithms }: ProofRejection): boolean {
    return (
      (nonce && this.#once("nonce", this.#hasNewNonce())) ||
      (clock && this.#once("clock", this.#hasNewTime(headers))) ||
      this.#once("algorithms", this.#hasNewName(algorithms))
    );
  }

  #hasNewNonce(): boolean {
    return this.#last !== undefined && this.#nonces.get(this.#last.url) !== this.#last.nonce;
  }

  /** Adjusts the prover's clock for this server, which also applies to later calls. */
  #hasNewTime(headers: Headers): boolean {
    if (this.#last === undefined) return false;
    const { url, clockOffset } = this.#last;
    this.#prover.adjustClock(headers.get("date"), url);
    return this.#prover.clockOffsetFor(url) !== clockOffset;
  }

  #hasNewName(supported: readonly string[] | undefined): boolean {
    const name = this.#nameFor(supported);
    return supported !== undefined && name !== undefined && name !== this.#last?.alg;
  }

  #nameFor(supported: readonly string[] | undefined): string | undefined {
    return nameFor(algorithmNamed(this.#prover.alg), supported);
  }

  #once(reason: keyof ProofRejection, hasChanged: boolean): boolean {
    if (!hasChanged || this.#retried.has(reason)) return false;
    this.#retried.add(reason);
    return true;
  }
}
