/** The second half of the authorization code grant (RFC 6749 §4.1.3): the code in the callback is exchanged for a token. */
import { assertObject, assertString } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { correctedTime } from "../corrected-time.js";
import { profiledResponseMode } from "../profile.js";
import type { ServerJwts } from "../server-jwt/server-jwts.js";
import type { GetToken } from "../token/request-token.js";
import type { Token } from "../token/token.js";
import { assertBinding, grantRequest } from "../token/token-request.js";
import { type AuthorizationCodeRequest, parseCallback } from "./authorization-callback.js";
import { type AuthorizationCallback, callbackParameters } from "./callback-parameters.js";
import { responseParameters } from "./response-mode.js";

/**
 * Validates a callback and exchanges its code, all within the time limit of one call.
 *
 * @throws {OAuthError} If the callback isn't the response to this request, or contains the server's error.
 */
export async function authorizationCode(
  server: AuthorizationServer,
  jwts: ServerJwts,
  callback: AuthorizationCallback,
  request: AuthorizationCodeRequest,
  getToken: GetToken,
): Promise<Token> {
  const { nonce = null, maxAge } = assertObject(request, "The request");
  const fields = {
    redirect_uri: assertString(request.redirectUri, "redirectUri"),
    code_verifier: assertString(request.codeVerifier, "codeVerifier"),
  };
  assertBinding(request);
  return server.withTimeLimit({ endpoint: "token", signal: request.signal }, async (signal) => {
    const code = await callbackCode(server, jwts, callback, request);
    const tokenRequest = grantRequest("authorization_code", { ...request, signal }, { code, ...fields });
    return getToken(tokenRequest, { idToken: { required: nonce !== null, nonce, maxAge } });
  });
}

/** Returns the code. The response's signature is verified first if it has one. */
async function callbackCode(
  server: AuthorizationServer,
  jwts: ServerJwts,
  callback: AuthorizationCallback,
  { clientId, dpopProver, ...request }: AuthorizationCodeRequest,
): Promise<string> {
  const { issuer, metadata, profile } = server;
  const responseMode = profiledResponseMode(profile, request.responseMode);
  const state = assertString(request.state, "state");
  const context = {
    clientId,
    now: correctedTime(server.clockOf({ prover: dpopProver }), server.endpoints.url("token")),
  };
  const verify = (jwt: string) => jwts.verify("authorizationResponse", jwt, context);
  const parameters = await responseParameters(callbackParameters(callback), responseMode, verify);
  const issuerRequired = metadata?.authorization_response_iss_parameter_supported === true;
  return parseCallback(parameters, { state, issuer, issuerRequired });
}
