/** The challenge of a response, for step-up: more scope (RFC 6750 §3.1) or another authentication of the user (RFC 9470). */
import { type AccessChallenge, accessChallenge } from "../oauth/access-challenge.js";
import { type ResponseHeaders, relevantHeaders } from "./response-headers.js";

/**
 * Reads what a resource server asks for in its `WWW-Authenticate` header, whatever the status: `insufficient_scope` comes
 * with 403 or 401.
 *
 * @example
 * ```ts
 * const challenge = readChallenge(response);
 * if (challenge?.error === "insufficient_scope") await source.token({ scope: challenge.scope ?? undefined });
 * ```
 * @param response - A response of `fetch`, or the headers of any HTTP library.
 * @returns The challenge with an error, and of several the one for DPoP. `undefined` if there is no challenge of the
 *   schemes DPoP and Bearer. Never throws.
 */
export function readChallenge(response: { readonly headers: ResponseHeaders }): AccessChallenge | undefined {
  return accessChallenge(relevantHeaders(response.headers));
}
