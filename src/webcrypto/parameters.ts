/** What WebCrypto calls the algorithms: the parameters of a key, and those of a signature. */
import type { ImportedPublicKey } from "../index.js";
import { copyBytes } from "./buffer-source.js";

type Algorithm = ImportedPublicKey["algorithm"];

/** The `algorithm` argument of `crypto.subtle.importKey`. */
export interface KeyParameters {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash?: string;
}

/** The `algorithm` argument of `crypto.subtle.sign`. */
export interface SignParameters {
  readonly name: string;
  readonly hash?: string;
  readonly saltLength?: number;
}

/** Returns the parameters that a key for the algorithm is imported with. */
export function keyParameters(algorithm: Algorithm): KeyParameters {
  const name = nameOf(algorithm);
  if (algorithm.kty === "EC") return { name, namedCurve: algorithm.crv };
  return algorithm.kty === "RSA" ? { name, hash: hashName(algorithm.hash) } : { name };
}

/** Returns the parameters that make `sign` compute a signature of the algorithm. The hash belongs to an RSA key. */
export function signParameters(algorithm: Algorithm): SignParameters {
  const name = nameOf(algorithm);
  if (algorithm.kty === "EC") return { name, hash: hashName(algorithm.hash) };
  const { saltLength } = algorithm.options;
  return saltLength === undefined ? { name } : { name, saltLength };
}

/**
 * Returns whether the argument of `sign` asks for a signature with exactly these parameters.
 *
 * @param argument - As the caller passed it: a name, or an object with a name. Names are case-insensitive.
 */
export function requestsParameters(argument: unknown, { name, hash, saltLength }: SignParameters): boolean {
  const requested = Object(typeof argument === "string" ? { name: argument } : argument);
  return (
    isName(requested.name, name) &&
    (hash === undefined || isName(Object(requested.hash).name ?? requested.hash, hash)) &&
    (saltLength === undefined || Math.trunc(Number(requested.saltLength)) === saltLength) &&
    // ML-DSA: a JWS is signed without one (RFC 9964).
    (requested.context === undefined || copyBytes(requested.context)?.length === 0)
  );
}

function nameOf(algorithm: Algorithm): string {
  if (algorithm.kty === "EC") return "ECDSA";
  if (algorithm.kty === "RSA") return algorithm.saltLength === undefined ? "RSASSA-PKCS1-v1_5" : "RSA-PSS";
  return algorithm.kty === "OKP" ? algorithm.crv : algorithm.alg;
}

/** Returns `SHA-256` for `sha256`. */
function hashName(hash: string): string {
  return hash.replace("sha", "SHA-");
}

function isName(value: unknown, name: string): boolean {
  return typeof value === "string" && value.toUpperCase() === name.toUpperCase();
}
