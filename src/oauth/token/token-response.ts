/** The token endpoint's answer made a token, if it is one and bound to the right key (RFC 6749 §5.1, RFC 9449 §5). */

import { OAuthError } from "../../errors.js";
import type { Accepted } from "../authorization-server.js";
import { nameOf } from "../http.js";
import { boundKeys, isBound, Token } from "./token.js";

export interface Binding {
  /** Thumbprint of the prover's key. */
  jkt: string;
  /** Refuses a token that is bound to no key. */
  required: boolean;
}

/**
 * A token that another key unlocks, or none, is not the token that was asked for.
 *
 * @throws {OAuthError} code `invalid-response` if there is no token in it, or its type is no text; `binding` if it is not
 *   bound as it should be
 */
export function tokenOf({ url, body, response }: Accepted, { jkt, required }: Binding): Token {
  const wrong = (code: "invalid-response" | "binding", message: string) => new OAuthError(code, message, { response });
  const { access_token: accessToken, token_type: type } = body ?? {};
  if (body === undefined || typeof accessToken !== "string" || accessToken === "")
    throw wrong("invalid-response", `${nameOf(url)} answered without an access_token.`);
  if (type !== undefined && typeof type !== "string")
    throw wrong("invalid-response", `${nameOf(url)} answered with a token_type that is no text.`);
  const other = boundKeys(body, accessToken).find((key) => key !== jkt);
  if (other !== undefined) throw wrong("binding", `The token is bound to key ${other}, not to this prover's ${jkt}.`);
  const token = new Token(body, accessToken);
  if (required && !isBound(token)) throw wrong("binding", `${nameOf(url)} issued a token that is bound to no key.`);
  return token;
}
