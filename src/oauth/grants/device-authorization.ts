/** Device authorization (RFC 8628): the user enters a code on another device, while this client polls for the token. */
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import type { SignOptions } from "../../keystore/signer.js";
import { assertObject } from "../assert.js";
import type { AuthorizationServer, SuccessResponse } from "../authorization-server.js";
import { displayUrl } from "../http.js";
import { parseSeconds } from "../seconds.js";
import type { GetToken } from "../token/request-token.js";
import type { Token } from "../token/token.js";
import { assertBinding, createForm, type GrantRequest, grantRequest, withResource } from "../token/token-request.js";
import { pkcePair } from "./pkce.js";
import { MAX_SECONDS, Polling } from "./polling.js";

/** Options of {@link OAuthClient.deviceAuthorization}. */
export type DeviceAuthorizationRequest = GrantRequest & {
  /**
   * Whether to bind the device code to this client by PKCE (RFC 7636), as some servers require for their clients. Default:
   * whether the server's metadata lists `S256`.
   */
  pkce?: boolean | undefined;
};

/** Options of {@link OAuthClient.deviceCode}. */
export type DeviceCodeRequest = DeviceAuthorizationRequest & {
  /** Shows the code to the user. Polling starts when it returns. */
  show: (device: DeviceAuthorization) => void | Promise<void>;
};

/** A code to show to the user, and the wait for the token. `inspect` doesn't print the device code. */
export class DeviceAuthorization {
  /** The code that the user enters at `verificationUri`. */
  readonly userCode: string;
  /** The URL where the user enters the code. */
  readonly verificationUri: string;
  /** The URL with the code included, for a link or a QR code. `null` if the server doesn't provide it. */
  readonly verificationUriComplete: string | null;
  /** Lifetime of the code in seconds from the time of the response. */
  readonly expiresIn: number;
  readonly #polling: Polling;

  /** @throws {OAuthError} With code `invalid-response` if the response lacks a code. */
  constructor(response: SuccessResponse, { request, getToken, codeVerifier }: DeviceGrant) {
    const codes = parseDeviceResponse(response);
    this.userCode = codes.userCode;
    this.verificationUri = codes.verificationUri;
    this.verificationUriComplete = codes.verificationUriComplete;
    this.expiresIn = codes.expiresIn;
    const client = { ...request, scope: undefined, resource: undefined };
    const fields = { device_code: codes.deviceCode, ...(codeVerifier && { code_verifier: codeVerifier }) };
    const tokenRequest = grantRequest(GRANT_TYPE, client, fields);
    this.#polling = new Polling({ ...codes, request: tokenRequest, getToken, task: "enter the code" });
  }

  /**
   * Polls for the token until the user has entered the code, at the server's interval (RFC 8628 §3.5). Doubles the
   * interval after a network error, status 429 or 5xx, or an unavailable key store. Without a signal, that of the
   * request applies.
   *
   * @throws {OAuthError} With `error` `access_denied` if the user denied the request, `expired_token` if the code has
   *   expired.
   */
  async token(options: SignOptions = {}): Promise<Token> {
    return this.#polling.token(options);
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    const { userCode, verificationUri, expiresIn } = this;
    return `DeviceAuthorization ${inspect({ userCode, verificationUri, expiresIn })}`;
  }
}

/** What the wait for the token needs. */
interface DeviceGrant {
  readonly request: GrantRequest;
  readonly getToken: GetToken;
  readonly codeVerifier: string | undefined;
}

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";

/**
 * Requests the codes. `scope` and `resource` are sent only with this request: the token request identifies the grant by
 * its device code. `extra` is sent with both.
 */
export async function deviceAuthorization(
  server: AuthorizationServer,
  request: DeviceAuthorizationRequest,
  getToken: GetToken,
): Promise<DeviceAuthorization> {
  const { scope, resource, extra, signal } = assertObject(request, "The request");
  const { pkce = server.metadata?.code_challenge_methods_supported?.includes("S256") === true } = request;
  // The token is requested only after the user has entered the code, but an unusable binding must fail now.
  server.assertUsable(assertBinding(request));
  const pair = pkce ? pkcePair() : undefined;
  const challenge = pair && { code_challenge: pair.codeChallenge, code_challenge_method: pair.codeChallengeMethod };
  const fields = withResource({ scope, ...challenge }, resource);
  const response = await server.post({
    endpoint: "deviceAuthorization",
    client: request,
    clock: request.dpopProver,
    form: (clientFields) => createForm({ ...clientFields, ...fields }, extra),
    signal,
  });
  return new DeviceAuthorization(response, { request, getToken, codeVerifier: pair?.codeVerifier });
}

function parseDeviceResponse({ url, body = {}, response }: SuccessResponse) {
  const { device_code, user_code, interval } = body;
  const expiresIn = parseSeconds(body.expires_in);
  // The names in the drafts before RFC 8628, which Google and others still use.
  const verificationUri = body.verification_uri ?? body.verification_url;
  const complete = body.verification_uri_complete ?? body.verification_url_complete;
  if (!isPrintable(device_code) || !isPrintable(user_code) || !isWebUrl(verificationUri) || expiresIn === null) {
    const required = "device_code, user_code, verification_uri or expires_in";
    const message = `The response of ${displayUrl(url)} lacks a valid ${required}.`;
    throw new OAuthError("invalid-response", message, { response });
  }
  return {
    deviceCode: device_code,
    userCode: user_code,
    verificationUri,
    verificationUriComplete: isWebUrl(complete) ? complete : null,
    expiresIn: Math.min(expiresIn, MAX_SECONDS),
    interval: parseSeconds(interval),
  };
}

/** Rejects control characters: the text is shown to the user, and could otherwise control a terminal. */
function isPrintable(value: unknown): value is string {
  return typeof value === "string" && /^\P{Cc}+$/u.test(value);
}

function isWebUrl(value: unknown): value is string {
  return isPrintable(value) && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
