/** Which token responses contain an ID token (OpenID Connect Core §3.1.3.3, §12.2), and what is known about it. */
import { joinWords, type WordList } from "../space-delimited.js";
import type { AnyTokenRequest } from "../token/token-request.js";
import type { IdTokenClaims } from "./id-token.js";

/** What is known about the ID token of a token request. */
export interface ExpectedIdToken {
  /** Whether a response without an ID token is rejected. */
  required: boolean;
  /** The `nonce` of the authorization request; `null` if it didn't have one. `undefined`: not checked. */
  nonce?: string | null | undefined;
  /** The `max_age` of the authorization request, in seconds. */
  maxAge?: number | undefined;
  /** The claims of the ID token before, if the token is refreshed. */
  previous?: IdTokenClaims | undefined;
}

/** The grants by which a user logs in. */
const LOGIN_GRANTS = [
  "authorization_code",
  "urn:ietf:params:oauth:grant-type:device_code",
  "urn:openid:params:grant-type:ciba",
];

/** Whether the scope requests an ID token (OpenID Connect Core §3.1.2.1). */
export function hasOpenId(scope: WordList | null | undefined): boolean {
  return joinWords(scope)?.split(" ").includes("openid") === true;
}

/**
 * Returns what is expected of the ID token in a response, if one is expected at all. It is required if the user logs in
 * with the scope `openid`. In the response of any other grant, such as client credentials, it is optional.
 */
export function expectedIdToken({ grantType, scope }: AnyTokenRequest): ExpectedIdToken | undefined {
  const isLogin = LOGIN_GRANTS.includes(grantType);
  if (!isLogin && grantType !== "refresh_token" && !hasOpenId(scope)) return undefined;
  return { required: isLogin && hasOpenId(scope) };
}
