/** The nonces that servers hand out, kept by origin (RFC 9449 §8): never shared between two of them (§9). */
import { LruMap } from "../lru-map.js";

const NQCHARS = /^[\x21\x23-\x5b\x5d-\x7e]+$/;
const MOST_ORIGINS = 256;

/** Whether it can be a nonce: `1*NQCHAR` (RFC 9449 §8.1). */
export function isNonce(value: unknown): value is string {
  return typeof value === "string" && NQCHARS.test(value);
}

export class NonceStore {
  readonly #nonces = new LruMap<string, string>(MOST_ORIGINS);

  /** @param url - any URL of the server */
  get(url: URL): string | undefined {
    return this.#nonces.get(url.origin);
  }

  /** Keeps the answer's `DPoP-Nonce`, whatever its status (RFC 9449 §8.2). What can't be a nonce is no nonce. */
  keep(url: URL, headers: Headers): void {
    const nonce = headers.get("dpop-nonce");
    if (isNonce(nonce)) this.#nonces.set(url.origin, nonce);
  }
}
