/** How SharkAuth verifies a DPoP proof (github.com/shark-auth/shark, internal/oauth/dpop.go), with jose instead of Go's JWT. */
import { createHash } from "node:crypto";
import { calculateJwkThumbprint, EmbeddedJWK, type JWK, jwtVerify } from "jose";

/** What a proof must be for. */
export interface ExpectedProof {
  method: string;
  /** The URL as the server sees it. */
  htu: string;
  accessToken?: string;
}

/** Verifies a proof, which it accepts once. Returns the thumbprint of its key, or throws an error for the response. */
export type VerifyProof = (proof: string | undefined, expected: ExpectedProof) => Promise<string>;

const ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"];
/** Seconds by which `iat` may differ from the server's clock. */
const WINDOW = 60;

/** Creates a verifier with a replay cache of its own. */
export function proofVerifier(): VerifyProof {
  const seen = new Set<unknown>();
  return async (proof, { method, htu, accessToken }) => {
    if (proof === undefined) throw new Error("dpop: missing proof JWT");
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: ALGORITHMS,
      typ: "dpop+jwt",
    });
    const { iat = 0, htm, jti, ath } = payload;
    if (Math.abs(Date.now() / 1000 - iat) > WINDOW) throw new Error(`dpop: proof iat ${iat} is too old or new`);
    if (htm !== method) throw new Error(`dpop: htm "${htm}" does not match method "${method}"`);
    if (!isSameUrl(String(payload.htu), htu))
      throw new Error(`dpop: htu "${payload.htu}" does not match request URL "${htu}"`);
    if (seen.has(jti)) throw new Error("dpop: jti already seen (replay detected)");
    seen.add(jti);
    if (accessToken !== undefined && ath !== createHash("sha256").update(accessToken).digest("base64url"))
      throw new Error("dpop: ath mismatch");
    return calculateJwkThumbprint(protectedHeader.jwk as JWK);
  };
}

/** Compares scheme and host in any case, and the path exactly. What isn't a URL is compared as text. */
function isSameUrl(claim: string, request: string): boolean {
  if (!URL.canParse(claim) || !URL.canParse(request)) return claim === request;
  const [one, other] = [new URL(claim), new URL(request)];
  return one.origin === other.origin && one.pathname === other.pathname;
}
