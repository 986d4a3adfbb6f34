/** One token for another (RFC 8693): to act for somebody, for another audience, with less scope. */
import { checkText } from "../assert.js";
import { type GrantRequest, grantRequest, type TokenRequest } from "../token/token-request.js";

const TYPE = "urn:ietf:params:oauth:token-type:";

export type TokenType =
  | "urn:ietf:params:oauth:token-type:access_token"
  | "urn:ietf:params:oauth:token-type:refresh_token"
  | "urn:ietf:params:oauth:token-type:id_token"
  | "urn:ietf:params:oauth:token-type:jwt"
  | (string & {});

export interface TokenExchangeRequest extends GrantRequest {
  /** Whom the new token is for. */
  subjectToken: string;
  /** Default: an access token. */
  subjectTokenType?: TokenType | undefined;
  /** Who acts for them. */
  actorToken?: string | undefined;
  /** Default: an access token. */
  actorTokenType?: TokenType | undefined;
  /** Default: an access token. */
  requestedTokenType?: TokenType | undefined;
  /** Where the token is to be used, by name. */
  audience?: string | readonly string[] | undefined;
}

export function tokenExchange(request: TokenExchangeRequest): TokenRequest {
  const { subjectToken, actorToken, audience } = request;
  const { subjectTokenType, actorTokenType, requestedTokenType } = request;
  const accessToken = `${TYPE}access_token`;
  return grantRequest("urn:ietf:params:oauth:grant-type:token-exchange", request, {
    subject_token: checkText("subjectToken", subjectToken),
    subject_token_type: subjectTokenType ?? accessToken,
    actor_token: actorToken,
    actor_token_type: actorToken === undefined ? undefined : (actorTokenType ?? accessToken),
    requested_token_type: requestedTokenType ?? accessToken,
    audience,
  });
}
