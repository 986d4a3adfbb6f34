/** What the browser brings back: the code, once it is sure that this server sent it for this request (RFC 6749 §4.1.2, RFC 9207). */

import { OAuthError } from "../../errors.js";
import { misconfigured } from "../assert.js";
import { sentence } from "../error-response.js";
import type { GrantRequest } from "../token/token-request.js";

/** The members of the {@link PendingAuthorization}, and what every grant takes. */
export interface AuthorizationCodeRequest extends GrantRequest {
  redirectUri: string;
  state: string;
  codeVerifier: string;
}

interface Expected {
  state: string;
  /** The server's own name, where it is known. */
  issuer: string | undefined;
  /** Whether the server says that it always names itself. */
  issuerRequired: boolean;
}

const ONCE = ["code", "state", "iss", "error", "error_description"];

/**
 * @returns the code
 * @throws {OAuthError} code `invalid-response` for a callback of another request or server, `refused` for the server's
 *   own error
 */
export function codeOf(callbackUrl: string | URL, expected: Expected): string {
  if (!URL.canParse(String(callbackUrl))) throw misconfigured("callbackUrl must be the whole URL of the callback.");
  const { searchParams: fields } = new URL(callbackUrl);
  const twice = ONCE.find((name) => fields.getAll(name).length > 1);
  if (twice !== undefined) throw foreign(`holds ${twice} more than once`);
  if (fields.get("state") !== expected.state) throw foreign("has not the state of this request");
  checkIssuer(fields.get("iss"), expected);
  const error = fields.get("error");
  if (error !== null) throw refusedBy(error, fields.get("error_description"));
  const code = fields.get("code");
  if (!code) throw foreign("holds no code");
  return code;
}

/** RFC 9207 §2.4. An `iss` that there is nothing to compare with can't be passed over: it is the defence itself. */
function checkIssuer(iss: string | null, { issuer, issuerRequired }: Expected): void {
  if (iss === null && issuerRequired) throw foreign("does not name its issuer");
  if (iss === null) return;
  if (issuer === undefined)
    throw misconfigured("The callback names its issuer: say which one is right, by discover() or the option issuer.");
  if (iss !== issuer) throw foreign(`was sent by another issuer than ${issuer}`);
}

function foreign(why: string): OAuthError {
  return new OAuthError("invalid-response", `The callback ${why}. Its code was not used.`);
}

function refusedBy(error: string, errorDescription: string | null): OAuthError {
  const message = `The authorization request was refused: ${sentence(error, errorDescription)}`;
  return new OAuthError("refused", message, { error, errorDescription });
}
