/** The latest DPoP nonce of each server (RFC 9449 §8), by origin: a nonce is never sent to another server (§9). */
import { LruMap } from "../lru-map.js";

const NQCHARS = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MAX_ORIGINS = 256;

/** Whether the value is syntactically a nonce: `1*NQCHAR` (RFC 9449 §8.1). */
export function isNonce(value: unknown): value is string {
  return typeof value === "string" && NQCHARS.test(value);
}

/** Caches nonces by origin. Evicts the least recently updated origin when it is full. */
export class NonceCache {
  readonly #nonces = new LruMap<string, string>(MAX_ORIGINS);

  /** @param url - Any URL of the server. */
  get(url: URL): string | undefined {
    return this.#nonces.get(url.origin);
  }

  /** Caches the response's `DPoP-Nonce`, whatever its status (RFC 9449 §8.2). Ignores a malformed one. */
  remember(url: URL, headers: Headers): void {
    const nonce = headers.get("dpop-nonce");
    if (isNonce(nonce)) this.#nonces.set(url.origin, nonce);
  }
}
