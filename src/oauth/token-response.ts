/** The token endpoint's answer made a token, if it is one and bound to the right key (RFC 6749 §5.1, RFC 9449 §5). */

import { OAuthError } from "../errors.js";
import type { Accepted } from "./authorization-server.js";
import { nameOf } from "./http-exchange.js";
import { boundKeys, Token } from "./token.js";

interface Binding {
  /** Thumbprint of the prover's key. */
  jkt: string;
  /** Refuses a token that is bound to no key. */
  required: boolean;
}

/**
 * A token that another key unlocks, or none, is not the token that was asked for.
 *
 * @throws {OAuthError} code `invalid-response` if there is no token in it, `binding` if it is not bound as it should be
 */
export function tokenOf({ url, body, response }: Accepted, { jkt, required }: Binding): Token {
  if (typeof body?.access_token !== "string" || body.access_token === "")
    throw new OAuthError("invalid-response", `${nameOf(url)} answered without an access_token.`, { response });
  const token = new Token(body, body.access_token);
  const keys = boundKeys(body, token.accessToken);
  const other = keys.find((key) => key !== jkt);
  if (other !== undefined)
    throw new OAuthError("binding", `The token is bound to key ${other}, not to this prover's ${jkt}.`, { response });
  const bound = keys.length > 0 || (body.token_type !== undefined && token.tokenType.toLowerCase() === "dpop");
  if (required && !bound)
    throw new OAuthError("binding", `${nameOf(url)} issued a token that is bound to no key.`, { response });
  return token;
}
