/** Device authorization (RFC 8628): the user enters a code on another device, while this client polls for the token. */
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import type { SignOptions } from "../../keystore/signer.js";
import { assertObject } from "../assert.js";
import type { AuthorizationServer, SuccessResponse } from "../authorization-server.js";
import { displayUrl } from "../http.js";
import { parseSeconds } from "../seconds.js";
import type { Token } from "../token/token.js";
import {
  type AnyTokenRequest,
  assertBinding,
  createForm,
  type GrantRequest,
  grantRequest,
  withResource,
} from "../token/token-request.js";

/** Options of {@link OAuthClient.deviceCode}. */
export type DeviceCodeRequest = GrantRequest & {
  /** Shows the code to the user. Polling starts when it returns. */
  show: (device: DeviceAuthorization) => void | Promise<void>;
};

type GetToken = (request: AnyTokenRequest) => Promise<Token>;

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
  readonly #request: AnyTokenRequest;
  readonly #getToken: GetToken;
  readonly #deadline: number; // monotonic time, from performance.now()
  #interval: number; // seconds

  /** @throws {OAuthError} With code `invalid-response` if the response lacks a code. */
  constructor(response: SuccessResponse, request: GrantRequest, getToken: GetToken) {
    const codes = parseDeviceResponse(response);
    this.userCode = codes.userCode;
    this.verificationUri = codes.verificationUri;
    this.verificationUriComplete = codes.verificationUriComplete;
    this.expiresIn = codes.expiresIn;
    this.#interval = codes.interval;
    this.#deadline = performance.now() + codes.expiresIn * 1000;
    const client = { ...request, scope: undefined, resource: undefined, extra: undefined };
    this.#request = grantRequest(GRANT_TYPE, client, { device_code: codes.deviceCode });
    this.#getToken = getToken;
  }

  /**
   * Polls for the token until the user has entered the code, at the server's interval (RFC 8628 §3.5). Doubles the
   * interval after a network error, status 429 or 5xx, or an unavailable key store. Without a signal, that of the
   * request applies.
   *
   * @throws {OAuthError} With `error` `access_denied` if the user denied the request, `expired_token` if the code has
   *   expired.
   */
  async token({ signal }: SignOptions = {}): Promise<Token> {
    const request = { ...this.#request, signal: signal ?? this.#request.signal };
    for (;;) {
      await this.#pause(request.signal);
      try {
        return await this.#getToken(request);
      } catch (error) {
        this.#interval = nextInterval(error, this.#interval);
      }
    }
  }

  async #pause(signal: AbortSignal | undefined): Promise<void> {
    const remaining = this.#deadline - performance.now();
    if (remaining > 0) await sleep(Math.min(this.#interval * 1000, remaining), signal);
    if (performance.now() < this.#deadline) return;
    const message = `The user did not enter the code within ${this.expiresIn} seconds. Request a new code.`;
    throw new OAuthError("timeout", message, { error: "expired_token" });
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    const { userCode, verificationUri, expiresIn } = this;
    return `DeviceAuthorization ${inspect({ userCode, verificationUri, expiresIn })}`;
  }
}

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";
const DEFAULT_INTERVAL = 5;
const MIN_INTERVAL = 1; // also if the server allows 0
const MAX_SECONDS = 24 * 60 * 60; // longer timers could overflow

/**
 * Requests the codes. `scope`, `resource` and `extra` are sent with this request; the token request identifies the
 * grant only by its device code.
 */
export async function deviceAuthorization(
  server: AuthorizationServer,
  request: GrantRequest,
  getToken: GetToken,
): Promise<DeviceAuthorization> {
  const { scope, resource, extra, signal } = assertObject(request, "The request");
  // The token is requested only after the user has entered the code, but an unusable binding must fail now.
  server.assertUsable(assertBinding(request));
  const fields = withResource({ scope }, resource);
  const response = await server.post({
    endpoint: "deviceAuthorization",
    client: request,
    form: (clientFields) => createForm({ ...clientFields, ...fields }, extra),
    signal,
  });
  return new DeviceAuthorization(response, request, getToken);
}

function parseDeviceResponse({ url, body, response }: SuccessResponse) {
  const { device_code, user_code, verification_uri_complete } = body ?? {};
  const verification_uri = body?.verification_uri ?? body?.verification_url; // drafts of RFC 8628 had the latter name
  const expiresIn = parseSeconds(body?.expires_in);
  const interval = parseSeconds(body?.interval);
  if (!isPrintable(device_code) || !isPrintable(user_code) || !isWebUrl(verification_uri) || expiresIn === null) {
    const required = "device_code, user_code, verification_uri or expires_in";
    const message = `The response of ${displayUrl(url)} lacks a valid ${required}.`;
    throw new OAuthError("invalid-response", message, { response });
  }
  return {
    deviceCode: device_code,
    userCode: user_code,
    verificationUri: verification_uri,
    verificationUriComplete: isWebUrl(verification_uri_complete) ? verification_uri_complete : null,
    expiresIn: Math.min(expiresIn, MAX_SECONDS),
    interval: interval === null ? DEFAULT_INTERVAL : Math.max(interval, MIN_INTERVAL),
  };
}

/** Returns the seconds to wait before the next poll. Rethrows an error that polling can't recover from. */
function nextInterval(error: unknown, interval: number): number {
  if (error instanceof OAuthError && error.error === "authorization_pending") return interval;
  if (error instanceof OAuthError && error.error === "slow_down") return interval + 5;
  if (isTransient(error)) return Math.min(interval * 2, MAX_SECONDS);
  throw error;
}

/** The user's confirmation must not be lost because a network, server or key store is unavailable for a moment. */
function isTransient(error: unknown): boolean {
  if (error instanceof Error && "retryable" in error) return error.retryable === true; // a SignerError
  if (!(error instanceof OAuthError)) return false;
  const { code, statusCode } = error;
  return code === "timeout" || code === "unreachable" || statusCode === 429 || (statusCode ?? 0) >= 500;
}

function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      const { reason: cause } = signal ?? {};
      reject(new OAuthError("aborted", "The caller aborted the wait for the user to enter the code.", { cause }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Rejects control characters: the text is shown to the user, and could otherwise control a terminal. */
function isPrintable(value: unknown): value is string {
  return typeof value === "string" && /^\P{Cc}+$/u.test(value);
}

function isWebUrl(value: unknown): value is string {
  return isPrintable(value) && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}
