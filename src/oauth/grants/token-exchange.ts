/** Token exchange (RFC 8693): for delegation, a different audience or a smaller scope. */
import { assertObject, assertString } from "../assert.js";
import { type AnyTokenRequest, type GrantRequest, grantRequest } from "../token/token-request.js";

const TYPE = "urn:ietf:params:oauth:token-type:";

/** A token type identifier (RFC 8693 §3). */
export type TokenType =
  | "urn:ietf:params:oauth:token-type:access_token"
  | "urn:ietf:params:oauth:token-type:refresh_token"
  | "urn:ietf:params:oauth:token-type:id_token"
  | "urn:ietf:params:oauth:token-type:jwt"
  | (string & {});

/** Options of {@link OAuthClient.exchangeToken}. */
export type TokenExchangeRequest = GrantRequest & {
  /** The token of the party that the new token is for. */
  subjectToken: string;
  /** The type of the subject token. Default: an access token. */
  subjectTokenType?: TokenType | undefined;
  /** The token of the party that acts on behalf of the subject. */
  actorToken?: string | undefined;
  /** The type of the actor token. Default: an access token. */
  actorTokenType?: TokenType | undefined;
  /** The type of the new token. Default: an access token. */
  requestedTokenType?: TokenType | undefined;
  /** The logical name of the service that the new token is for. */
  audience?: string | readonly string[] | undefined;
};

/** Creates the token request of a token exchange. */
export function tokenExchange(request: TokenExchangeRequest): AnyTokenRequest {
  const { subjectToken, actorToken, audience } = assertObject(request, "The request");
  const { subjectTokenType, actorTokenType, requestedTokenType } = request;
  const accessToken = `${TYPE}access_token`;
  return grantRequest("urn:ietf:params:oauth:grant-type:token-exchange", request, {
    subject_token: assertString(subjectToken, "subjectToken"),
    subject_token_type: subjectTokenType ?? accessToken,
    actor_token: actorToken,
    actor_token_type: actorToken === undefined ? undefined : (actorTokenType ?? accessToken),
    requested_token_type: requestedTokenType ?? accessToken,
    audience,
  });
}
