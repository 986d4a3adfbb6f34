/** Checks of what a caller in JavaScript may pass instead of a signer or of options. */
import type { Signer } from "./signer.js";
import { misconfigured } from "./signer-error.js";

/** Whether the value has the methods of a {@link Signer} that the protocols use. */
export function isSigner(value: unknown): value is Signer {
  const { publicJwk, sign } = Object(value);
  return typeof publicJwk === "function" && typeof sign === "function";
}

/**
 * Returns the value if it is a signer.
 *
 * @throws {SignerError} With code `misconfigured`.
 */
export function assertSigner(value: Signer): Signer {
  if (isSigner(value)) return value;
  throw misconfigured("signer must be a Signer, such as the result of openSigner().");
}

/**
 * Returns the value if it is an object, such as options.
 *
 * @throws {SignerError} With code `misconfigured`.
 */
export function assertObject<T>(value: T, name: string): T {
  if (typeof value === "object" && value !== null) return value;
  throw misconfigured(`${name} must be an object.`);
}
