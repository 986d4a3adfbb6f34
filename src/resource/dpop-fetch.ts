/** A `fetch` that sends an access token, and with each request a proof of its own (RFC 9449 §7). */
import { untilAborted } from "../deadline.js";
import { NonceStore } from "../dpop/nonce-cache.js";
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import { type TokenReach, tokenReach } from "./allowed-origins.js";
import { isRequest, ResourceCall } from "./protected-request.js";

export interface DPoPFetchOptions extends TokenReach {
  prover: DPoPProver;
  /** An access token that is bound to the prover's key, or a source that keeps one fresh. */
  token: string | Token | TokenSource;
  /** A `fetch` of your own: a proxy, mutual TLS, a test. It must honour `redirect: "manual"`. */
  fetch?: typeof fetch | undefined;
  /** Bytes of a stream that are kept, so that it can be sent again after a challenge. Default 1 MiB. */
  maxBufferedBody?: number | undefined;
  /** Sets the prover's clock by the `Date` of a server that refused its proof. Default true. */
  adjustClock?: boolean | undefined;
}

const MOST_BUFFERED = 1024 * 1024;

/**
 * Makes a drop-in for `fetch` that calls resource servers with a bound token. A challenge is answered by one more request
 * with a fresh proof: once for a nonce, once for the clock, once for a renewed token. A redirect is followed inside its
 * origin.
 *
 * The function throws what `fetch` throws, and {@link DPoPError} for a call that must not be made, {@link SignerError} for
 * its key, {@link OAuthError} for a source that has no token. An aborted call throws its signal's reason, as `fetch` does.
 *
 * @example
 * ```ts
 * const call = dpopFetch({ prover, token, allowedOrigins: ["https://api.example.com"] });
 * const answer = await call("https://api.example.com/resource", { method: "POST", body: "hello" });
 * ```
 * @throws {DPoPError} code `misconfigured`
 */
export function dpopFetch(options: DPoPFetchOptions): typeof fetch {
  const { prover, token, maxBufferedBody = MOST_BUFFERED, adjustClock = true } = options;
  if (typeof prover?.makeProof !== "function") throw new DPoPError("misconfigured", "prover must be a DPoPProver.");
  if (!(maxBufferedBody >= 0)) throw new DPoPError("misconfigured", "maxBufferedBody must be a number of bytes.");
  const terms = {
    prover,
    source: sourceOf(token),
    fetch: options.fetch ?? ((input: string | Request, init: RequestInit) => fetch(input, init)),
    checkReach: tokenReach(options),
    nonces: new NonceStore(),
    maxBufferedBody,
    adjustClock,
  };
  return async (input: string | URL | Request, init: RequestInit = {}) => {
    const signal = (init.signal === undefined && isRequest(input) ? input.signal : init.signal) ?? undefined;
    return untilAborted(signal, async () => new ResourceCall(terms, input, init, signal).run());
  };
}

function sourceOf(token: string | Token | TokenSource): TokenSource {
  if (typeof token === "object" && token !== null && "renew" in token) return token;
  const fixed = typeof token === "string" ? new Token({ access_token: token }, token) : token;
  if (typeof fixed?.accessToken !== "string" || fixed.accessToken === "")
    throw new DPoPError("misconfigured", "token must be an access token, a Token, or a token source.");
  return { token: async () => fixed, renew: async () => fixed };
}
