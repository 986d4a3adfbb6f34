/** A `fetch` that sends an access token, with a new DPoP proof in each request (RFC 9449 §7). */
import { untilAborted } from "../deadline.js";
import { NonceCache } from "../dpop/nonce-cache.js";
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import { type AllowedOrigins, originCheck } from "./allowed-origins.js";
import { ListedAlgorithms } from "./listed-algorithms.js";
import { type CallContext, isRequest, ProtectedRequest } from "./protected-request.js";

/** Options of {@link dpopFetch}. */
export interface DPoPFetchOptions extends AllowedOrigins {
  /** Makes the proof of each request. */
  prover: DPoPProver;
  /** An access token that is bound to the prover's key, or a source that renews it. */
  token: string | Token | TokenSource;
  /**
   * A custom `fetch`, for example for a proxy, mutual TLS or tests. It must support `redirect: "manual"`. Default: the
   * global `fetch`.
   */
  fetch?: typeof fetch | undefined;
  /** Bytes of a stream to buffer, so that it can be sent again after a challenge. Default: 1 MiB. */
  maxBufferedBody?: number | undefined;
  /** Whether to correct the prover's clock by the `Date` header of a server that rejected its proof. Default: true. */
  adjustClock?: boolean | undefined;
}

const DEFAULT_MAX_BUFFERED = 1024 * 1024;

/**
 * Creates a drop-in replacement for `fetch` that calls resource servers with a bound token.
 *
 * Retries a call with a new proof after a nonce challenge, after a proof that was rejected because of the clock or of
 * the name `Ed25519`, and after a rejected token that the source could renew, once each. Follows redirects only within the same origin.
 *
 * The function throws what `fetch` throws, including the signal's reason for an aborted call. It also throws
 * {@link DPoPError} for a call that isn't allowed, or a server that doesn't list the key's algorithm, {@link SignerError} if the key can't sign, and what the token source
 * throws.
 *
 * @example
 * ```ts
 * const call = dpopFetch({ prover, token, allowedOrigins: ["https://api.example.com"] });
 * const response = await call("https://api.example.com/resource", { method: "POST", body: "hello" });
 * ```
 * @throws {DPoPError} With code `misconfigured` if an option is invalid.
 */
export function dpopFetch(options: DPoPFetchOptions): typeof fetch {
  if (typeof options !== "object" || options === null)
    throw new DPoPError("misconfigured", "The options of dpopFetch must be an object.");
  const { prover, token, maxBufferedBody = DEFAULT_MAX_BUFFERED, adjustClock = true } = options;
  if (typeof prover?.makeProof !== "function") throw new DPoPError("misconfigured", "prover must be a DPoPProver.");
  if (options.fetch !== undefined && typeof options.fetch !== "function")
    throw new DPoPError("misconfigured", "fetch must be a function.");
  if (!(maxBufferedBody >= 0))
    throw new DPoPError("misconfigured", "maxBufferedBody must be a number of bytes, 0 or more.");
  const context: CallContext = {
    prover,
    source: sourceOf(token),
    fetch: options.fetch ?? ((input: string | Request, init: RequestInit) => fetch(input, init)),
    assertAllowedOrigin: originCheck(options),
    nonces: new NonceCache(),
    algorithms: new ListedAlgorithms(prover.alg),
    maxBufferedBody,
    adjustClock,
  };
  return async (input: string | URL | Request, init: RequestInit = {}) => {
    const signal = (init.signal === undefined && isRequest(input) ? input.signal : init.signal) ?? undefined;
    return untilAborted(signal, async () => new ProtectedRequest(context, input, init, signal).send());
  };
}

function sourceOf(token: string | Token | TokenSource): TokenSource {
  if (typeof token === "object" && token !== null && "renew" in token) return token;
  const fixed = typeof token === "string" ? new Token({ access_token: token }, token) : token;
  if (typeof fixed?.accessToken !== "string" || fixed.accessToken === "")
    throw new DPoPError("misconfigured", "token must be an access token, a Token or a token source.");
  return { token: async () => fixed, renew: async () => fixed };
}
