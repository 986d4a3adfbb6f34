/** Verifies proofs for the demo's servers: every check of RFC 9449 §4.3, a nonce, and no reuse of a proof. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { decodeJwt } from "jose/jwt/decode";
import { verifyProof } from "../../index.js";

const MAX_AGE = 60; // seconds

/** The result for one proof: either `jkt` or `problem` is set. */
export interface VerifiedProof {
  /** The thumbprint of the key that signed the proof. */
  readonly jkt?: string;
  readonly problem?: { readonly error: "invalid_dpop_proof" | "use_dpop_nonce"; readonly description: string };
}

/** Verifies the proofs of the requests to one server. */
export class ProofVerifier {
  /** The nonce that every proof must contain. */
  readonly nonce = randomBytes(16).toString("base64url");
  readonly #usedIds = new Set<string>();

  /**
   * @param url - The URL of the request, without its query.
   * @param token - The access token of the request, and the thumbprint of the key that it is bound to.
   */
  async verify(
    request: IncomingMessage,
    url: string,
    token?: { accessToken: string; jkt: string },
  ): Promise<VerifiedProof> {
    const { method, headers } = request;
    const proof = headers.dpop;
    if (typeof proof !== "string") return invalid("The request must have exactly one DPoP header.");
    const expected = { method, url, nonce: this.nonce, maxAge: MAX_AGE, now: Date.now() / 1000, ...token };
    const { findings, jkt = "" } = await verifyProof(proof, expected);
    const failed = findings.filter(({ ok }) => ok === false);
    const [first] = failed;
    if (failed.length === 1 && first?.check === "nonce")
      return { problem: { error: "use_dpop_nonce", description: "The proof must contain this server's nonce." } };
    if (first) return invalid(`${first.check}: ${first.remedy ?? first.found}`);
    if (this.#isReplay(proof)) return invalid("jti: The proof was used before.");
    return { jkt };
  }

  #isReplay(proof: string): boolean {
    const { jti = "" } = decodeJwt(proof);
    if (this.#usedIds.has(jti)) return true;
    this.#usedIds.add(jti);
    return false;
  }
}

function invalid(description: string): VerifiedProof {
  return { problem: { error: "invalid_dpop_proof", description } };
}
