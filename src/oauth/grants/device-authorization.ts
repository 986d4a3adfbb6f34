/** For a machine without a browser: somebody enters a code elsewhere, and this side asks until they have (RFC 8628). */
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import type { SignOptions } from "../../keystore/signer.js";
import type { Accepted, AuthorizationServer } from "../authorization-server.js";
import { nameOf } from "../http.js";
import type { Token } from "../token/token.js";
import {
  checkProver,
  formOf,
  type GrantRequest,
  grantRequest,
  type TokenRequest,
  withResource,
} from "../token/token-request.js";

/** What to show, and the wait for the token. Prints without its device code. */
export class DeviceAuthorization {
  /** What somebody has to enter… */
  readonly userCode: string;
  /** …and where. */
  readonly verificationUri: string;
  /** The same with the code in it, for a link or a QR code. */
  readonly verificationUriComplete: string | null;
  /** Seconds that the code is good for, from the time of the answer. */
  readonly expiresIn: number;
  readonly #request: TokenRequest;
  readonly #ask: (request: TokenRequest) => Promise<Token>;
  readonly #end: number;
  #interval: number; // seconds

  /** @throws {OAuthError} code `invalid-response` if there is no code in the answer */
  constructor(answer: Accepted, request: GrantRequest, ask: (request: TokenRequest) => Promise<Token>) {
    const code = codesOf(answer);
    this.userCode = code.userCode;
    this.verificationUri = code.verificationUri;
    this.verificationUriComplete = code.verificationUriComplete;
    this.expiresIn = code.expiresIn;
    this.#interval = code.interval;
    this.#end = performance.now() + code.expiresIn * 1000;
    const bare = { ...request, scope: undefined, resource: undefined, extra: undefined };
    this.#request = grantRequest(GRANT_TYPE, bare, { device_code: code.deviceCode });
    this.#ask = ask;
  }

  /**
   * Waits until somebody has entered the code, asking no oftener than the server wants (RFC 8628 §3.5). Where no answer
   * comes, it asks more and more seldom.
   *
   * @throws {OAuthError} `error` is `access_denied` if they said no, `expired_token` if nobody came
   */
  async token({ signal }: SignOptions = {}): Promise<Token> {
    const stop = signal ?? this.#request.signal;
    for (;;) {
      await this.#pause(stop);
      try {
        return await this.#ask({ ...this.#request, signal: stop });
      } catch (error) {
        this.#interval = nextInterval(error, this.#interval);
      }
    }
  }

  async #pause(signal: AbortSignal | undefined): Promise<void> {
    const left = this.#end - performance.now();
    if (left > 0) await wait(Math.min(this.#interval * 1000, left), signal);
    if (performance.now() < this.#end) return;
    const message = `Nobody entered the code within ${this.expiresIn} seconds. Ask for a new one.`;
    throw new OAuthError("timeout", message, { error: "expired_token" });
  }

  [inspect.custom](): string {
    const { userCode, verificationUri, expiresIn } = this;
    return `DeviceAuthorization ${inspect({ userCode, verificationUri, expiresIn })}`;
  }
}

const GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code";
const DEFAULT_INTERVAL = 5;
const LEAST_INTERVAL = 1; // also for a server that says 0: nobody enters a code any faster
const MOST_SECONDS = 24 * 60 * 60; // also keeps timers from overflowing

/** Asks for the codes. The request's `scope`, `resource` and `extra` belong here; the token request names the code alone. */
export async function deviceAuthorization(
  server: AuthorizationServer,
  request: GrantRequest,
  ask: (request: TokenRequest) => Promise<Token>,
): Promise<DeviceAuthorization> {
  const { scope, resource, extra, signal } = request;
  checkProver(request.dpopProver); // not needed before somebody has entered the code: too late to find it missing
  const named = withResource({ scope }, resource);
  const answer = await server.post({
    endpoint: "deviceAuthorization",
    client: request,
    form: (clientFields) => formOf({ ...clientFields, ...named }, extra),
    signal,
  });
  return new DeviceAuthorization(answer, request, ask);
}

function codesOf({ url, body, response }: Accepted) {
  const { device_code, user_code, verification_uri, verification_uri_complete, expires_in, interval } = body ?? {};
  if (!isText(device_code) || !isText(user_code) || !isWebUrl(verification_uri) || !isSeconds(expires_in))
    throw new OAuthError("invalid-response", `${nameOf(url)} answered without a code and where to enter it.`, {
      response,
    });
  return {
    deviceCode: device_code,
    userCode: user_code,
    verificationUri: verification_uri,
    verificationUriComplete: isWebUrl(verification_uri_complete) ? verification_uri_complete : null,
    expiresIn: Math.min(expires_in, MOST_SECONDS),
    interval: isSeconds(interval) ? Math.max(interval, LEAST_INTERVAL) : DEFAULT_INTERVAL,
  };
}

/** @throws the error, if asking again is no use */
function nextInterval(error: unknown, interval: number): number {
  if (error instanceof OAuthError && error.error === "authorization_pending") return interval;
  if (error instanceof OAuthError && error.error === "slow_down") return interval + 5;
  if (mayPass(error)) return Math.min(interval * 2, MOST_SECONDS);
  throw error;
}

/** What somebody has confirmed should not be lost to a network, a server or a key store that is away for a moment. */
function mayPass(error: unknown): boolean {
  if (error instanceof Error && "retryable" in error) return error.retryable === true; // a SignerError
  if (!(error instanceof OAuthError)) return false;
  const { code, statusCode } = error;
  return code === "timeout" || code === "unreachable" || statusCode === 429 || (statusCode ?? 0) >= 500;
}

function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      const { reason: cause } = signal ?? {};
      reject(new OAuthError("aborted", "The wait for the code to be entered was aborted by the caller.", { cause }));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** What is to be shown to somebody: nothing in it moves a terminal's cursor. */
function isText(value: unknown): value is string {
  return typeof value === "string" && /^\P{Cc}+$/u.test(value);
}

function isWebUrl(value: unknown): value is string {
  return isText(value) && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol);
}

function isSeconds(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
