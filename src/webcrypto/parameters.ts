/** The `algorithm` argument of `crypto.subtle.sign`: what a key signs with, and whether a call asks for that. */
import type { ImportedPublicKey } from "../index.js";
import { copyBytes } from "./buffer-source.js";

type Algorithm = ImportedPublicKey["algorithm"];

/** The `algorithm` argument of `crypto.subtle.sign`. */
export interface SignParameters {
  readonly name: string;
  readonly hash?: string;
  readonly saltLength?: number;
}

/** Returns the parameters that make `sign` compute a signature of the algorithm. The hash belongs to an RSA key. */
export function signParameters({ webCrypto: { name, namedCurve, hash, saltLength } }: Algorithm): SignParameters {
  return { name, ...(namedCurve !== undefined && { hash }), ...(saltLength !== undefined && { saltLength }) };
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

function isName(value: unknown, name: string): boolean {
  return typeof value === "string" && value.toUpperCase() === name.toUpperCase();
}
