/** Checks of what a caller in JavaScript may pass instead of a signer. */
import type { Signer } from "./signer.js";

/** Whether the value has the methods of a {@link Signer} that the protocols use. */
export function isSigner(value: unknown): value is Signer {
  const { publicJwk, sign } = Object(value);
  return typeof publicJwk === "function" && typeof sign === "function";
}
