/** A `fetch` that sends an access token, with a new DPoP proof in each request (RFC 9449 §7). */
import { untilAborted } from "../deadline.js";
import { DPoPError } from "../errors.js";
import type { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import { type CallOptions, callContext } from "./call-options.js";
import { serverCache } from "./credentials.js";
import { outgoingRequest, signalOf } from "./outgoing-request.js";
import { ProtectedRequest } from "./protected-request.js";
import { sourceOf, TokenCredentials } from "./token-credentials.js";

/** Options of {@link dpopFetch}. */
export interface DPoPFetchOptions extends CallOptions {
  /** An access token that is bound to the prover's key, or a source that renews it. */
  token: string | Token | TokenSource;
}

/**
 * Creates a drop-in replacement for `fetch` that calls resource servers with a bound token.
 *
 * Retries a call with a new proof after a nonce challenge, after a proof that was rejected because of the clock or of
 * the name `Ed25519`, and after a rejected token that the source could renew, once each. Follows redirects only within
 * the same origin.
 *
 * The function throws what `fetch` throws, including the signal's reason for an aborted call. It also throws
 * {@link DPoPError} for a call that isn't allowed, or a server that doesn't list the key's algorithm,
 * {@link SignerError} if the key can't sign, and what the token source throws.
 *
 * @example
 * ```ts
 * const call = dpopFetch({ prover, token, allowedOrigins: ["https://api.example.com"] });
 * const response = await call("https://api.example.com/resource", { method: "POST", body: "hello" });
 * ```
 * @throws {DPoPError} With code `misconfigured` if an option is invalid.
 */
export function dpopFetch(options: DPoPFetchOptions): typeof fetch {
  const context = callContext(options);
  const { prover } = context;
  const source = sourceOf(options.token);
  const servers = serverCache(prover);
  return async (input: string | URL | Request, init: RequestInit = {}) =>
    untilAborted(signalOf(input, init), async () => {
      const request = outgoingRequest(input, init);
      context.assertAllowedOrigin(request.url);
      rejectHeaders(request.headers);
      return new ProtectedRequest(context, servers, new TokenCredentials(prover, source), request).send();
    });
}

function rejectHeaders(headers: Headers): void {
  for (const name of ["authorization", "dpop"])
    if (headers.has(name))
      throw new DPoPError("forbidden-header", `Remove the ${name} header: dpopFetch sets it for each request.`);
}
