/** The callback of an authorization request: checks its origin and extracts the code (RFC 6749 §4.1.2, RFC 9207). */

import { OAuthError } from "../../errors.js";
import { misconfigured } from "../assert.js";
import { errorText } from "../error-response.js";
import type { GrantRequest } from "../token/token-request.js";

/** Options of {@link OAuthClient.authorizationCode}: the members of the {@link PendingAuthorization} and the client. */
export interface AuthorizationCodeRequest extends GrantRequest {
  /** The `redirectUri` of the authorization request. */
  redirectUri: string;
  /** The `state` of the authorization request. */
  state: string;
  /** The `codeVerifier` of the authorization request. */
  codeVerifier: string;
}

interface ExpectedCallback {
  state: string;
  /** The server's issuer identifier, if it is known. */
  issuer: string | undefined;
  /** Whether the server's metadata promises `iss` in every callback. */
  issuerRequired: boolean;
}

const SINGLE_PARAMETERS = ["code", "state", "iss", "error", "error_description"];

/**
 * Validates a callback and returns its authorization code.
 *
 * @throws {OAuthError} With code `invalid-response` if the callback belongs to a different request or server, `refused`
 *   if it contains the server's error response.
 */
export function parseCallback(callbackUrl: string | URL, expected: ExpectedCallback): string {
  const text = String(callbackUrl);
  if (!URL.canParse(text)) throw misconfigured("callbackUrl must be the callback's complete URL.");
  const { searchParams: parameters } = new URL(text);
  const repeated = SINGLE_PARAMETERS.find((name) => parameters.getAll(name).length > 1);
  if (repeated !== undefined) throw invalidCallback(`contains ${repeated} more than once`);
  if (parameters.get("state") !== expected.state) throw invalidCallback("doesn't have this request's state");
  checkIssuer(parameters.get("iss"), expected);
  const error = parameters.get("error");
  if (error !== null) throw callbackError(error, parameters.get("error_description"));
  const code = parameters.get("code");
  if (!code) throw invalidCallback("doesn't contain a code");
  return code;
}

/**
 * RFC 9207 §2.4. Rejects an `iss` that can't be compared: ignoring it would disable the defence against mix-up attacks.
 */
function checkIssuer(iss: string | null, { issuer, issuerRequired }: ExpectedCallback): void {
  if (iss === null && issuerRequired)
    throw invalidCallback("doesn't contain iss, which the server's metadata promises");
  if (iss === null) return;
  if (issuer === undefined)
    throw misconfigured(
      "The callback contains iss, but the client doesn't have an issuer. Use discover() or the option issuer.",
    );
  if (iss !== issuer) throw invalidCallback(`has a different iss than ${issuer}`);
}

function invalidCallback(problem: string): OAuthError {
  return new OAuthError("invalid-response", `The callback ${problem}. Its code was not used.`);
}

function callbackError(error: string, errorDescription: string | null): OAuthError {
  const message = `The server refused the authorization request: ${errorText(error, errorDescription)}`;
  return new OAuthError("refused", message, { error, errorDescription });
}
