/** What a process remembers of a PIN that a store has rejected or accepted. */
import { createHash, randomBytes } from "node:crypto";

/** Prevents a precomputed table from revealing short PINs if the fingerprints end up in a memory dump. */
const SALT = randomBytes(16);

/**
 * Returns a salted hash of a PIN, which can be remembered instead of the PIN.
 *
 * @param store - Names the token or the key that the PIN is for.
 */
export function fingerprintOf(store: string, pin: string): string {
  return createHash("sha256")
    .update(SALT)
    .update(JSON.stringify([store, pin]))
    .digest("hex");
}
