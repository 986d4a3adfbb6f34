/**
 * The response of the token endpoint: validates the token and the key that it is bound to (RFC 6749 §5.1, RFC 9449 §5).
 */

import { OAuthError } from "../../errors.js";
import type { SuccessResponse } from "../authorization-server.js";
import { displayUrl } from "../http.js";
import { boundKeys, isBound, Token } from "./token.js";

/** The key that a token must be bound to. */
export interface Binding {
  /** Thumbprint of the prover's key. */
  jkt: string;
  /** Whether to reject a token that isn't bound to any key. */
  required: boolean;
}

/**
 * Reads the token from a response. Rejects a token that is bound to a different key.
 *
 * @throws {OAuthError} With code `invalid-response` if the token is missing or its type is malformed, `binding` if it
 *   isn't bound as required.
 */
export function parseTokenResponse({ url, body, response }: SuccessResponse, { jkt, required }: Binding): Token {
  const error = (code: "invalid-response" | "binding", message: string) => new OAuthError(code, message, { response });
  const { access_token: accessToken, token_type: type } = body ?? {};
  if (body === undefined || typeof accessToken !== "string" || accessToken === "")
    throw error("invalid-response", `The response of ${displayUrl(url)} lacks access_token.`);
  if (type !== undefined && typeof type !== "string")
    throw error("invalid-response", `The token_type in the response of ${displayUrl(url)} isn't a string.`);
  const otherKey = boundKeys(body, accessToken).find((key) => key !== jkt);
  if (otherKey !== undefined)
    throw error("binding", `The token is bound to key ${otherKey}, not to the prover's key ${jkt}.`);
  const token = new Token(body, accessToken);
  if (required && !isBound(token))
    throw error("binding", `${displayUrl(url)} issued a token that isn't bound to a key, but requireBinding is set.`);
  return token;
}
