/** Refreshes a token (RFC 6749 §6), and its ID token (OpenID Connect Core §12). */
import { assertObject, assertString } from "../assert.js";
import type { IdTokenClaims } from "../server-jwt/id-token.js";
import type { GetToken } from "../token/request-token.js";
import { type Token, withState } from "../token/token.js";
import { type GrantRequest, grantRequest } from "../token/token-request.js";

/** Options of {@link OAuthClient.refresh}. */
export type RefreshRequest = GrantRequest & {
  /** The current refresh token. */
  refreshToken: string;
  /** The `idTokenClaims` of the current token. A new ID token must be for the same user (OpenID Connect Core §12.2). */
  idTokenClaims?: IdTokenClaims | null | undefined;
};

/** Requests the new token. Without a new refresh token or ID token in the response, the result has the current one. */
export async function refresh(request: RefreshRequest, getToken: GetToken): Promise<Token> {
  const refreshToken = assertString(assertObject(request, "The request").refreshToken, "refreshToken");
  const previous = request.idTokenClaims ?? undefined;
  const tokenRequest = grantRequest("refresh_token", request, { refresh_token: refreshToken });
  const token = await getToken(tokenRequest, { idToken: { required: false, previous } });
  const idTokenClaims = token.idTokenClaims ?? previous;
  return withState(token, { refreshToken: token.refreshToken ?? refreshToken, idTokenClaims });
}
