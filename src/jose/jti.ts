/** Names that no proof or assertion shares with another (RFC 9449 §4.2, RFC 7523 §3): 128 random bits each. */
import { randomFillSync } from "node:crypto";

const BYTES = 16;
/** Random bytes are fetched for many at once: each fetch is a system call of 5 µs, as much as the rest of a proof. */
const pool = Buffer.alloc(128 * BYTES);
let used = pool.length;

/** @returns 22 characters of base64url */
export function newJti(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += BYTES;
  return pool.toString("base64url", used - BYTES, used);
}
