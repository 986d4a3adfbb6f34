/** A `fetch` that sends an access token, with a new DPoP proof in each request (RFC 9449 §7). */
import { untilAborted } from "../deadline.js";
import { DPoPError } from "../errors.js";
import type { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import { type CallOptions, callContext } from "./call-options.js";
import { serverCache } from "./credentials.js";
import { outgoingRequest, signalOf } from "./outgoing-request.js";
import { ProtectedRequest } from "./protected-request.js";
import { sourceOf, TokenCredentials, type TokenUse } from "./token-credentials.js";

/** Options of {@link dpopFetch}. */
export interface DPoPFetchOptions extends CallOptions, TokenUse {
  /** An access token that is bound to the prover's key, or a source that renews it. */
  token: string | Token | TokenSource;
  /**
   * Whether to replace an `Authorization` header that the calling library sets. Default: false, which rejects it, since
   * the library may mean other credentials.
   */
  replaceAuthorization?: boolean | undefined;
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
  const { replaceAuthorization = false } = options;
  const source = sourceOf(options.token);
  const servers = serverCache("resource-server", options);
  return async (input: string | URL | Request, init: RequestInit = {}) =>
    untilAborted(signalOf(input, init), async () => {
      const request = outgoingRequest(input, init);
      context.assertAllowedOrigin(request.url);
      if (replaceAuthorization) request.headers.delete("authorization");
      rejectHeaders(request.headers);
      const credentials = new TokenCredentials(prover, source, options);
      return new ProtectedRequest(context, servers, credentials, request).send();
    });
}

const LIBRARY_OPTIONS =
  "authProvider of the MCP client, auth of axios and Octokit, headers of ky, openapi-fetch and graphql-request";

function rejectHeaders(headers: Headers): void {
  if (headers.has("authorization"))
    throw forbiddenHeader(
      "authorization",
      `Leave out the option of the calling library that sets it (${LIBRARY_OPTIONS}), or set replaceAuthorization: true.`,
    );
  if (headers.has("dpop")) throw forbiddenHeader("dpop", "Configure the calling library without DPoP.");
}

function forbiddenHeader(name: string, remedy: string): DPoPError {
  const problem = `The request already has the header ${name}, which dpopFetch sets for each request.`;
  return new DPoPError("forbidden-header", `${problem} ${remedy}`);
}
