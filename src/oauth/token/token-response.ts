/** The response of the token endpoint: validates the token and its binding (RFC 6749 §5.1, RFC 9449 §5, RFC 8705 §3). */

import { OAuthError } from "../../errors.js";
import type { SuccessResponse } from "../authorization-server.js";
import { displayUrl, notJson } from "../http.js";
import { expiryOf } from "./access-token-claims.js";
import { bindingProblem, type ExpectedBinding } from "./binding.js";
import { Token } from "./token.js";

/**
 * Reads the token from a response. Rejects a token that is bound to a different key or certificate.
 *
 * @param clockOffset - Seconds by which the server's clock is ahead of the system's.
 * @throws {OAuthError} With code `invalid-response` if the token is missing or its type is malformed, `binding` if it
 *   isn't bound as required.
 */
export function parseTokenResponse(
  { url, body, response, sentAt: issuedAt }: SuccessResponse,
  expected: ExpectedBinding,
  clockOffset: number,
): Token {
  const error = (code: "invalid-response" | "binding", message: string) => new OAuthError(code, message, { response });
  if (body === undefined) throw notJson(url, response);
  const { access_token: accessToken, token_type: type } = body;
  if (typeof accessToken !== "string" || accessToken === "")
    throw error("invalid-response", `The response of ${displayUrl(url)} lacks access_token.`);
  if (type !== undefined && typeof type !== "string")
    throw error("invalid-response", `The token_type in the response of ${displayUrl(url)} isn't a string.`);
  const token = new Token(body, accessToken, { expiresAt: expiryOf(body, accessToken, { issuedAt, clockOffset }) });
  const problem = bindingProblem(token, expected);
  if (problem !== undefined) throw error("binding", `The token that ${displayUrl(url)} issued ${problem}.`);
  return token;
}
