/** The proofs of one call: a fresh one for each request, and when a refused one is worth another (RFC 9449 §8, §9). */

import type { NonceStore } from "./nonce-cache.js";
import type { DPoPProver, ProofOptions } from "./prover.js";

/** What an answer says is wrong with its request. */
export interface Complaint {
  readonly nonce: boolean;
  readonly clock: boolean;
}

export class ProofTries {
  readonly #prover: DPoPProver;
  readonly #nonces: NonceStore;
  readonly #mended = new Set<keyof Complaint>();
  #sent: { url: URL; nonce: string | undefined; clockOffset: number } | undefined;

  constructor(prover: DPoPProver, nonces: NonceStore) {
    this.#prover = prover;
    this.#nonces = nonces;
  }

  /** @throws as {@link DPoPProver.makeProof} */
  next(target: ProofOptions & { htu: URL }): Promise<string> {
    const nonce = this.#nonces.get(target.htu);
    this.#sent = { url: target.htu, nonce, clockOffset: this.#prover.clockOffset };
    return this.#prover.makeProof({ ...target, nonce });
  }

  /**
   * Compares with what the last proof said, since another call may have brought the nonce or set the clock meanwhile.
   *
   * @param headers - of the answer, whose nonce is already kept
   * @returns whether the next proof will say something else. True at most once for each complaint
   */
  mends(headers: Headers, { nonce, clock }: Complaint): boolean {
    return (
      (nonce && this.#once("nonce", this.#hasNewNonce())) || (clock && this.#once("clock", this.#hasNewTime(headers)))
    );
  }

  #hasNewNonce(): boolean {
    return this.#sent !== undefined && this.#nonces.get(this.#sent.url) !== this.#sent.nonce;
  }

  /** Sets the clock for later calls too. */
  #hasNewTime(headers: Headers): boolean {
    this.#prover.adjustClock(headers.get("date"));
    return this.#prover.clockOffset !== this.#sent?.clockOffset;
  }

  #once(what: keyof Complaint, isMended: boolean): boolean {
    if (!isMended || this.#mended.has(what)) return false;
    this.#mended.add(what);
    return true;
  }
}
