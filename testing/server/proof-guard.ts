/** The state that one server needs to check proofs: its current nonce, and the proofs that it has seen. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { ALGORITHM_NAMES } from "../../src/index.js";
import { checkProof, type ExpectedProof, ProofRejection } from "./check-proof.js";

/** Checks the proofs of the requests to one server. */
export class ProofGuard {
  readonly #requiresNonce: boolean;
  readonly #seen = new Set<string>();
  #nonce = newNonce();

  /** @param requiresNonce - Whether each proof must contain the server's nonce (RFC 9449 §8, §9). */
  constructor(requiresNonce: boolean) {
    this.#requiresNonce = requiresNonce;
  }

  /** The nonce that every proof must contain, or `undefined` if none is required. */
  get nonce(): string | undefined {
    return this.#requiresNonce ? this.#nonce : undefined;
  }

  /** The headers of a response: the nonce for the next proof. */
  get headers(): Readonly<Record<string, string>> {
    return this.#requiresNonce ? { "dpop-nonce": this.#nonce } : {};
  }

  /** Makes the current nonce stale. */
  rotateNonce(): void {
    this.#nonce = newNonce();
  }

  /**
   * Checks the proof of a request.
   *
   * @returns The thumbprint of the key that signed it.
   * @throws {ProofRejection} If the proof isn't valid, or was used before.
   */
  async check(
    { method = "GET", headers }: IncomingMessage,
    url: string,
    token?: ExpectedProof["token"],
  ): Promise<string> {
    // Node joins repeated headers with a comma, which no JWS contains.
    const proof = typeof headers.dpop === "string" ? headers.dpop : undefined;
    const { jkt, jti } = await checkProof(proof, {
      method,
      url,
      nonce: this.nonce,
      token,
      algorithms: ALGORITHM_NAMES,
    });
    if (this.#seen.has(jti)) throw new ProofRejection("jti: The proof was used before.");
    this.#seen.add(jti);
    return jkt;
  }
}

const newNonce = () => randomBytes(16).toString("base64url");
