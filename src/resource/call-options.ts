/** The options that `dpopFetch` and `proofFetch` share. */
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError } from "../errors.js";
import { type AllowedOrigins, originCheck } from "./allowed-origins.js";
import { globalFetch } from "./outgoing-request.js";
import type { CallContext } from "./protected-request.js";

/** How requests with proofs are sent. */
export interface CallOptions extends AllowedOrigins {
  /** Makes the proof of each request. */
  prover: DPoPProver;
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
 * Checks the options.
 *
 * @throws {DPoPError} With code `misconfigured` if one is invalid.
 */
export function callContext(options: CallOptions): CallContext {
  const { prover, maxBufferedBody = DEFAULT_MAX_BUFFERED, adjustClock = true } = options;
  assertProver(prover);
  if (!(maxBufferedBody >= 0))
    throw new DPoPError("misconfigured", "maxBufferedBody must be a number of bytes, 0 or more.");
  const assertAllowedOrigin = originCheck(options);
  return { prover, fetch: options.fetch ?? globalFetch, assertAllowedOrigin, maxBufferedBody, adjustClock };
}

/** @throws {DPoPError} With code `misconfigured` if the option isn't a prover. */
export function assertProver(prover: DPoPProver): void {
  if (typeof prover?.makeProof !== "function") throw new DPoPError("misconfigured", "prover must be a DPoPProver.");
}
