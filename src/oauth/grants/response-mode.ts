/** Response modes (OAuth 2.0 Multiple Response Types §2.1, Form Post) and signed authorization responses (JARM). */
import { assertString } from "../assert.js";
import type { VerifiedJwt } from "../server-jwt/verify-jwt.js";
import { type CallbackParameters, callbackParameters } from "./callback-parameters.js";
import { invalidCallback } from "./invalid-callback.js";

/**
 * How the server returns the authorization response: in the callback's query (the default) or fragment, or as a form.
 * The modes with `jwt` request a signed response (JARM §2.3).
 */
export type ResponseMode =
  | "query"
  | "fragment"
  | "form_post"
  | "jwt"
  | "query.jwt"
  | "fragment.jwt"
  | "form_post.jwt"
  | (string & {});

/**
 * Whether the mode requests a signed response.
 *
 * @throws {OAuthError} With code `misconfigured` if the mode isn't a string.
 */
export function isSignedMode(mode: ResponseMode | null | undefined): boolean {
  if (mode == null) return false;
  return assertString(mode, "responseMode") === "jwt" || mode.endsWith(".jwt");
}

/**
 * Returns the parameters of the response. If a signed response was requested, they are the claims of a verified JWT, and
 * nothing outside of it counts.
 *
 * @param verify - Verifies the JWT.
 * @throws {OAuthError} With code `invalid-response` if the response isn't signed as requested.
 */
export async function responseParameters(
  parameters: CallbackParameters,
  mode: ResponseMode | undefined,
  verify: (jwt: string) => Promise<VerifiedJwt>,
): Promise<CallbackParameters> {
  const { response: jwt, state } = parameters;
  if (isSignedMode(mode)) {
    if (jwt === undefined) throw invalidCallback(`isn't signed, but the response mode is ${mode}`, parameters);
    const { response: _, ...claims } = callbackParameters((await verify(jwt)).claims);
    return claims;
  }
  if (jwt === undefined || state !== undefined) return parameters;
  const remedy = "Request it by the option responseMode, and pass it to authorizationCode";
  throw invalidCallback(`is a signed response (response_mode=jwt), which wasn't requested. ${remedy}`, parameters);
}
