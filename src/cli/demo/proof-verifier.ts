/** How the demo's servers verify proofs: every check of RFC 9449 §4.3, a nonce, and no proof twice. */
import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { decodeJwt } from "jose/jwt/decode";
import { verifyProof } from "../../index.js";

const MOST_AGE = 60; // seconds

export interface VerifiedProof {
  /** The thumbprint of the key that made it. */
  readonly jkt?: string;
  readonly problem?: { readonly error: "invalid_dpop_proof" | "use_dpop_nonce"; readonly says: string };
}

export class ProofVerifier {
  /** The one that proofs must carry. */
  readonly nonce = randomBytes(16).toString("base64url");
  readonly #seen = new Set<string>();

  /**
   * @param url - of the request, without query
   * @param token - the access token that came with it, and the key that it is bound to
   */
  async verify(
    request: IncomingMessage,
    url: string,
    token?: { accessToken: string; jkt: string },
  ): Promise<VerifiedProof> {
    const { method, headers } = request;
    const proof = headers.dpop;
    if (typeof proof !== "string") return refused("There must be one DPoP header.");
    const expected = { method, url, nonce: this.nonce, maxAge: MOST_AGE, now: Date.now() / 1000, ...token };
    const { findings, jkt = "" } = await verifyProof(proof, expected);
    const wrong = findings.filter(({ ok }) => ok === false);
    const [first] = wrong;
    if (wrong.length === 1 && first?.check === "nonce")
      return { problem: { error: "use_dpop_nonce", says: "Proofs must carry this server's nonce." } };
    if (first) return refused(`${first.check}: ${first.remedy ?? first.found}`);
    if (this.#replayed(proof)) return refused("jti: This proof was used before.");
    return { jkt };
  }

  #replayed(proof: string): boolean {
    const { jti = "" } = decodeJwt(proof);
    if (this.#seen.has(jti)) return true;
    this.#seen.add(jti);
    return false;
  }
}

function refused(says: string): VerifiedProof {
  return { problem: { error: "invalid_dpop_proof", says } };
}
