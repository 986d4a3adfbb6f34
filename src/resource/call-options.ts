/** The options that `dpopFetch` and `proofFetch` share. */
import { isNonceOption, NONCES_NOT_A_STORE, type NonceOption } from "../dpop/nonce-cache.js";
import type { DPoPProver } from "../dpop/prover.js";
import { HTU_NOT_A_FUNCTION, type HtuOption, isHtuOption } from "../dpop/signed-htu.js";
import { DPoPError } from "../errors.js";
import { type AllowedOrigins, originCheck } from "./allowed-origins.js";
import { customFetch, globalFetch } from "./outgoing-request.js";
import type { CallContext } from "./protected-request.js";
import { assertScheme, type SchemeOption } from "./token-credentials.js";

/** How requests with proofs are sent. */
export interface CallOptions extends AllowedOrigins, HtuOption, NonceOption, SchemeOption {
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
  assertOptions(options, "options");
  const { prover, maxBufferedBody = DEFAULT_MAX_BUFFERED, adjustClock = true } = options;
  assertProver(prover);
  if (options.fetch !== undefined && typeof options.fetch !== "function")
    throw new DPoPError("misconfigured", "fetch must be a function.");
  assertHtu(options);
  assertNonces(options);
  assertScheme(options);
  if (!(maxBufferedBody >= 0))
    throw new DPoPError("misconfigured", "maxBufferedBody must be a number of bytes, 0 or more.");
  const assertAllowedOrigin = originCheck(options);
  const fetch = options.fetch ? customFetch(options.fetch) : globalFetch;
  return { prover, htu: options.htu, fetch, assertAllowedOrigin, maxBufferedBody, adjustClock };
}

/** @throws {DPoPError} With code `misconfigured` if the option `htu` isn't a function. */
export function assertHtu(option: HtuOption): void {
  if (!isHtuOption(option)) throw new DPoPError("misconfigured", HTU_NOT_A_FUNCTION);
}

/** @throws {DPoPError} With code `misconfigured` if the option `nonces` isn't a store. */
export function assertNonces(option: NonceOption): void {
  if (!isNonceOption(option)) throw new DPoPError("misconfigured", NONCES_NOT_A_STORE);
}

/** @throws {DPoPError} With code `misconfigured` if the options aren't an object. */
export function assertOptions(options: object, name: string): void {
  if (typeof options !== "object" || options === null)
    throw new DPoPError("misconfigured", `The ${name} must be an object.`);
}

/** @throws {DPoPError} With code `misconfigured` if the option isn't a prover. */
export function assertProver(prover: DPoPProver): void {
  if (typeof prover?.makeProof !== "function") throw new DPoPError("misconfigured", "prover must be a DPoPProver.");
}
