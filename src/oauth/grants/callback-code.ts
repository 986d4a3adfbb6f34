/** The end of an authorization request: the code in its callback, whose signature is verified first if it has one. */
import { assertString } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { correctedTime } from "../corrected-time.js";
import type { ServerJwts } from "../server-jwt/server-jwts.js";
import type { ServerMetadata } from "../server-metadata.js";
import { type AuthorizationCodeRequest, parseCallback } from "./authorization-callback.js";
import { type AuthorizationCallback, callbackParameters } from "./callback-parameters.js";
import { responseParameters } from "./response-mode.js";

/** The server that the request was sent to. */
interface CallbackServer {
  server: AuthorizationServer;
  jwts: ServerJwts;
  metadata: ServerMetadata | undefined;
}

/**
 * Validates a callback and returns its code. The caller limits the time.
 *
 * @throws {OAuthError} If the callback isn't the response to this request, or contains the server's error.
 */
export async function callbackCode(
  callback: AuthorizationCallback,
  request: AuthorizationCodeRequest,
  { server, jwts, metadata }: CallbackServer,
): Promise<string> {
  const { clientId, dpopProver, responseMode } = request;
  const state = assertString(request.state, "state");
  const context = {
    clientId,
    now: correctedTime(server.clockOf({ prover: dpopProver }), server.endpoints.url("token")),
  };
  const verify = (jwt: string) => jwts.verify("authorizationResponse", jwt, context);
  const parameters = await responseParameters(callbackParameters(callback), responseMode, verify);
  const issuerRequired = metadata?.authorization_response_iss_parameter_supported === true;
  return parseCallback(parameters, { state, issuer: server.issuer, issuerRequired });
}
