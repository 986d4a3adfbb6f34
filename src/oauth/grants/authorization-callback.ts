/** The callback of an authorization request: checks its origin and extracts the code (RFC 6749 §4.1.2, RFC 9207). */

import { OAuthError } from "../../errors.js";
import { misconfigured } from "../assert.js";
import { errorText } from "../error-response.js";
import type { GrantRequest } from "../token/token-request.js";
import type { CallbackParameters } from "./callback-parameters.js";
import { invalidCallback } from "./invalid-callback.js";
import type { ResponseMode } from "./response-mode.js";

/** Options of {@link OAuthClient.authorizationCode}: the members of the {@link PendingAuthorization} and the client. */
export type AuthorizationCodeRequest = GrantRequest & {
  /** The `redirectUri` of the authorization request. */
  redirectUri: string;
  /** The `state` of the authorization request. */
  state: string;
  /** The `codeVerifier` of the authorization request. */
  codeVerifier: string;
  /** The `nonce` of the authorization request, if it had one. The response must have an ID token with this nonce. */
  nonce?: string | undefined;
  /** The `maxAge` of the authorization request, if it had one. */
  maxAge?: number | undefined;
  /** The `responseMode` of the authorization request, if it had one. */
  responseMode?: ResponseMode | undefined;
};

interface ExpectedCallback {
  state: string;
  /** The server's issuer identifier, if it is known. */
  issuer: string | undefined;
  /** Whether the server's metadata promises `iss` in every callback. */
  issuerRequired: boolean;
}

/**
 * Validates a callback and returns its authorization code.
 *
 * @throws {OAuthError} With code `invalid-response` if the callback belongs to a different request or server, `refused`
 *   if it contains the server's error response.
 */
export function parseCallback(parameters: CallbackParameters, expected: ExpectedCallback): string {
  if (parameters.state !== expected.state) throw invalidCallback("doesn't have this request's state", parameters);
  checkIssuer(parameters, expected);
  const { error, error_description, code } = parameters;
  if (error !== undefined) throw callbackError(error, error_description ?? null);
  if (!code) throw invalidCallback("doesn't contain a code");
  return code;
}

/**
 * RFC 9207 §2.4. Rejects an `iss` that can't be compared: ignoring it would disable the defence against mix-up attacks.
 */
function checkIssuer(parameters: CallbackParameters, { issuer, issuerRequired }: ExpectedCallback): void {
  const { iss } = parameters;
  if (iss === undefined && issuerRequired)
    throw invalidCallback("doesn't contain iss, which the server's metadata promises", parameters);
  if (iss === undefined) return;
  if (issuer === undefined)
    throw misconfigured(
      "The callback contains iss, but the client doesn't have an issuer. Use discover() or the option issuer.",
    );
  if (iss !== issuer) throw invalidCallback(`has a different iss than ${issuer}`, parameters);
}

function callbackError(error: string, errorDescription: string | null): OAuthError {
  const message = `The server refused the authorization request: ${errorText(error, errorDescription)}`;
  return new OAuthError("refused", message, { error, errorDescription });
}
