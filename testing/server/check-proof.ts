/**
 * Every check of RFC 9449 §4.3, written without Hardproof's own verifier, so that a fault of the library can't hide in
 * both. It is stricter than most servers: it rejects whatever a proof doesn't need.
 */
import { createHash } from "node:crypto";
import { calculateJwkThumbprint, compactVerify, importJWK, type JWK } from "jose";

/** What a proof must fit. */
export interface ExpectedProof {
  readonly method: string;
  /** The URL of the request. Its query and fragment don't count. */
  readonly url: string;
  /** The nonce that the server requires, if any. */
  readonly nonce: string | undefined;
  /** The token of a request to a resource, and the thumbprint of its key. */
  readonly token?: { readonly value: string; readonly jkt: string } | undefined;
  readonly algorithms: readonly string[];
}

/** A decoded proof, whether or not it is valid. */
export interface Proof {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** The reason why a proof was rejected (RFC 9449 §5, §8). */
export class ProofRejection extends Error {
  readonly error: "invalid_dpop_proof" | "use_dpop_nonce";

  constructor(message: string, error: ProofRejection["error"] = "invalid_dpop_proof") {
    super(message);
    this.error = error;
  }
}

/** Seconds that a proof is valid, and that its time may lie ahead. */
const MAX_AGE = 60;
const MAX_SKEW = 5;
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
const HEADER = ["alg", "jwk", "typ"];

/**
 * Decodes a proof without checking it.
 *
 * @returns `undefined` if it isn't a JWS in compact form.
 */
export function decodeProof(proof: unknown): Proof | undefined {
  if (typeof proof !== "string") return undefined;
  const parts = proof.split(".");
  const [header, claims] = parts.map(decodeObject);
  return parts.length === 3 && header && claims ? { header, claims } : undefined;
}

/**
 * Checks a proof. A replay is for the caller to detect.
 *
 * @returns The thumbprint of its key, and its `jti`.
 * @throws {ProofRejection} With what is wrong first.
 */
export async function checkProof(
  proof: string | undefined,
  expected: ExpectedProof,
): Promise<{ jkt: string; jti: string }> {
  const decoded = decodeProof(proof);
  ensure(proof !== undefined && decoded !== undefined, "The request must have one DPoP header with a compact JWS.");
  const { header, claims } = decoded;
  const jwk = checkHeader(header, expected.algorithms);
  const key = await importJWK(jwk, String(header.alg)).catch(() => undefined);
  ensure(key !== undefined, "jwk: The key can't be imported.");
  const verified = await compactVerify(proof, key).then(
    () => true,
    () => false,
  );
  ensure(verified, "The signature doesn't match jwk.");
  const jti = checkClaims(claims, expected);
  const jkt = await calculateJwkThumbprint(jwk);
  checkToken(claims, jkt, expected.token);
  if (expected.nonce !== undefined)
    ensure(claims.nonce === expected.nonce, "The proof must contain this server's current nonce.", "use_dpop_nonce");
  return { jkt, jti };
}

function checkHeader(header: Proof["header"], algorithms: readonly string[]): JWK {
  const { typ, alg, jwk } = header;
  ensure(Object.keys(header).sort().join() === HEADER.join(), `The header must have exactly ${HEADER.join(", ")}.`);
  ensure(typ === "dpop+jwt", "typ must be dpop+jwt.");
  ensure(typeof alg === "string" && algorithms.includes(alg), `alg must be one of ${algorithms.join(", ")}.`);
  ensure(jwk !== null && typeof jwk === "object", "jwk must be a JSON object.");
  ensure(!PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name)), "jwk must not contain a private key.");
  return jwk;
}

function checkClaims(claims: Proof["claims"], { method, url }: ExpectedProof): string {
  const { jti, htm, htu, iat } = claims;
  const { origin, pathname } = new URL(url);
  ensure(typeof jti === "string" && jti.length >= 16, "jti must have at least 16 characters.");
  ensure(htm === method, `htm must be ${method}.`);
  ensure(htu === origin + pathname, `htu must be ${origin}${pathname}.`);
  const age = typeof iat === "number" && Number.isInteger(iat) ? Date.now() / 1000 - iat : Number.NaN;
  ensure(age <= MAX_AGE && age >= -MAX_SKEW, `iat must be the current time. The proof is ${Math.round(age)} s old.`);
  return jti;
}

function checkToken(claims: Proof["claims"], jkt: string, token: ExpectedProof["token"]): void {
  if (!token) {
    ensure(claims.ath === undefined, "ath belongs only to a request with a token.");
    return;
  }
  const ath = createHash("sha256").update(token.value).digest("base64url");
  ensure(claims.ath === ath, "ath must be the hash of the access token.");
  ensure(jkt === token.jkt, "The token is bound to another key.");
}

function ensure(condition: boolean, message: string, error?: ProofRejection["error"]): asserts condition {
  if (!condition) throw new ProofRejection(message, error);
}

function decodeObject(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return value !== null && typeof value === "object" ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
