/**
 * Client-initiated backchannel authentication in poll mode (CIBA Core): the server asks the user on a device of theirs,
 * while this client polls for the token.
 */
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import type { SignOptions } from "../../keystore/signer.js";
import { assertString, misconfigured } from "../assert.js";
import type { AuthorizationServer, SuccessResponse } from "../authorization-server.js";
import { displayUrl } from "../http.js";
import { parseSeconds } from "../seconds.js";
import type { WordList } from "../space-delimited.js";
import type { GetToken } from "../token/request-token.js";
import type { Token } from "../token/token.js";
import {
  assertBinding,
  createForm,
  type ExtraFields,
  type GrantRequest,
  grantRequest,
  withResource,
} from "../token/token-request.js";
import { MAX_SECONDS, Polling } from "./polling.js";

/** Options of {@link OAuthClient.backchannelAuthentication}. Exactly one of the hints names the user (CIBA §7.1). */
export type BackchannelAuthenticationRequest = GrantRequest & {
  /** The user, by a name that the server knows, such as an e-mail address or a phone number. */
  loginHint?: string | undefined;
  /** A token that contains the user's name. */
  loginHintToken?: string | undefined;
  /** An ID token that the server issued to this client. */
  idTokenHint?: string | undefined;
  /** A text that both devices show to the user, such as a transaction number. */
  bindingMessage?: string | undefined;
  /** A secret of the user, if the server requires one before it asks them. */
  userCode?: string | undefined;
  /** Authentication context classes, in order of preference. */
  acrValues?: WordList | undefined;
  /** Seconds. How long the user may take. Default: the server's. */
  requestedExpiry?: number | undefined;
};

/** A request that waits for the user's decision. `inspect` doesn't print its id. */
export class BackchannelAuthentication {
  /** Seconds from the time of the response in which the user must decide. */
  readonly expiresIn: number;
  readonly #polling: Polling;

  /** @throws {OAuthError} With code `invalid-response` if the response lacks an id or a lifetime. */
  constructor({ url, body = {}, response }: SuccessResponse, request: GrantRequest, getToken: GetToken) {
    const { auth_req_id } = body;
    const lifetime = parseSeconds(body.expires_in);
    if (typeof auth_req_id !== "string" || auth_req_id === "" || lifetime === null) {
      const message = `The response of ${displayUrl(url)} lacks a valid auth_req_id or expires_in.`;
      throw new OAuthError("invalid-response", message, { response });
    }
    this.expiresIn = Math.min(lifetime, MAX_SECONDS);
    const client = { ...request, scope: undefined, resource: undefined };
    const tokenRequest = grantRequest(GRANT_TYPE, client, { auth_req_id });
    const timing = { expiresIn: this.expiresIn, interval: parseSeconds(body.interval) };
    this.#polling = new Polling({ ...timing, request: tokenRequest, getToken, task: "confirm the request" });
  }

  /**
   * Polls for the token until the user has decided, at the server's interval (CIBA §7.3). Doubles the interval after a
   * network error, status 429 or 5xx, or an unavailable key store. Without a signal, that of the request applies.
   *
   * @throws {OAuthError} With `error` `access_denied` if the user denied the request, `expired_token` if it has expired.
   */
  async token(options: SignOptions = {}): Promise<Token> {
    return this.#polling.token(options);
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    return `BackchannelAuthentication ${inspect({ expiresIn: this.expiresIn })}`;
  }
}

const GRANT_TYPE = "urn:openid:params:grant-type:ciba";

/**
 * Requests the authentication. `scope`, `resource` and the options of CIBA are sent only with this request, `extra` also
 * with the token requests.
 */
export async function backchannelAuthentication(
  server: AuthorizationServer,
  request: BackchannelAuthenticationRequest,
  getToken: GetToken,
): Promise<BackchannelAuthentication> {
  const { resource, extra, signal } = request;
  server.assertUsable(assertBinding(request));
  const fields = withResource(parametersOf(request), resource);
  const response = await server.post({
    endpoint: "backchannelAuthentication",
    client: request,
    clock: request.dpopProver,
    form: (clientFields) => createForm({ ...clientFields, ...fields }, extra),
    signal,
  });
  return new BackchannelAuthentication(response, request, getToken);
}

function parametersOf(request: BackchannelAuthenticationRequest): ExtraFields {
  const { scope, bindingMessage, userCode, acrValues, requestedExpiry } = request;
  if (requestedExpiry !== undefined && !(Number.isSafeInteger(requestedExpiry) && requestedExpiry > 0))
    throw misconfigured("requestedExpiry must be a whole number of seconds, 1 or more.");
  return {
    scope,
    ...hintOf(request),
    binding_message: bindingMessage,
    user_code: userCode,
    acr_values: acrValues,
    requested_expiry: requestedExpiry,
  };
}

function hintOf({ loginHint, loginHintToken, idTokenHint }: BackchannelAuthenticationRequest): ExtraFields {
  const hints = { loginHint, loginHintToken, idTokenHint };
  const [hint, another] = Object.entries(hints).filter(([, value]) => value !== undefined);
  if (hint === undefined || another !== undefined)
    throw misconfigured("Exactly one of loginHint, loginHintToken and idTokenHint must name the user (CIBA §7.1).");
  assertString(hint[1], hint[0]);
  return { login_hint: loginHint, login_hint_token: loginHintToken, id_token_hint: idTokenHint };
}
