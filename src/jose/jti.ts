/** Unique JWT IDs for proofs (RFC 9449 §4.2) and client assertions (RFC 7523 §3): 128 random bits each. */
import { randomFillSync } from "node:crypto";

const BYTES = 16;
/** Filled for 128 IDs at once: each fill is a system call of about 5 µs, as much as the rest of a proof. */
const pool = Buffer.alloc(128 * BYTES);
let used = pool.length;

/** Returns 22 characters of base64url. */
export function newJti(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += BYTES;
  return pool.toString("base64url", used - BYTES, used);
}
