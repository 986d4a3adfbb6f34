/** Receives the response to an authorization request on loopback (RFC 8252 §7.3). */
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout } from "node:timers/promises";
import { OAuthError } from "../../index.js";
import { errorCode, UsageError } from "../exit-codes.js";
import { sendPage } from "./callback-page.js";
import { readCallback } from "./callback-request.js";
import { isMissingAddress, listenOnLoopback } from "./loopback-listener.js";
import { parseRedirectUri, type RedirectUri } from "./redirect-uri.js";

/** Where and how the server returns the response. */
export interface CallbackOptions {
  /** The redirect URI, with or without its port. Default: on 127.0.0.1, or on `[::1]` if the machine has only IPv6. */
  readonly redirectUri?: string | undefined;
  /** The port. Default: that of the redirect URI, otherwise any free one. */
  readonly port?: number | undefined;
  /** Whether the response is a form that the browser posts (`form_post`). */
  readonly posted: boolean;
  /** Called for the first request to the callback that isn't the response. */
  readonly onRefused: () => void;
}

/** The callback of one authorization request. */
export interface Callback {
  /** The redirect URI, with the port that is listened on. */
  readonly redirectUri: string;
  /** The `state` that the authorization request must have. */
  readonly state: string;
  /**
   * Waits for the response.
   *
   * @param seconds - The time that the user has.
   * @returns Its parameters, which must still be checked.
   * @throws {OAuthError} With code `timeout`.
   */
  response(seconds: number, signal: AbortSignal): Promise<URLSearchParams>;
  close(): void;
}

const IPV4 = "http://127.0.0.1/callback";
const IPV6 = "http://[::1]/callback";
/** Milliseconds: the longest delay of `setTimeout`. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Starts to listen. Only a request with the `state` ends the wait: any page in the browser can send others.
 *
 * @throws {UsageError} If the redirect URI or its port can't be used.
 */
export async function listenForCallback(options: CallbackOptions): Promise<Callback> {
  const { redirectUri, port } = options;
  if (redirectUri !== undefined) return listen(parseRedirectUri(redirectUri, port), options).catch(unusablePort);
  const withIpv6 = (error: unknown) => {
    if (!isMissingAddress(error)) throw error;
    return listen(parseRedirectUri(IPV6, port), options);
  };
  return listen(parseRedirectUri(IPV4, port), options).catch(withIpv6).catch(unusablePort);
}

async function listen(uri: RedirectUri, { posted, onRefused }: CallbackOptions): Promise<Callback> {
  const expected = { path: uri.path, method: posted ? "POST" : "GET", state: newState() } as const;
  const responses = new EventEmitter();
  const received = once(responses, "response");
  responses.once("refused", onRefused);
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const result = await readCallback(request, expected);
    if (result === 400) responses.emit("refused");
    if (typeof result === "number") return sendPage(response, result, expected.method);
    // The wait ends when the browser has the page.
    response.once("close", () => responses.emit("response", result));
    sendPage(response, 200, expected.method);
  };
  const { port, close } = await listenOnLoopback(uri.addresses, uri.port, (request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const redirectUri = uri.withPort(port);
  return {
    redirectUri,
    state: expected.state,
    response: async (seconds, signal) => {
      const end = new AbortController();
      const limit = timeLimit(seconds, AbortSignal.any([signal, end.signal]));
      const [parameters] = await Promise.race([received, limit]).finally(() => end.abort());
      return parameters;
    },
    close,
  };
}

function newState(): string {
  return randomBytes(16).toString("base64url");
}

async function timeLimit(seconds: number, signal: AbortSignal): Promise<never> {
  await setTimeout(Math.min(seconds * 1000, LONGEST_TIMEOUT), undefined, { signal });
  const remedy = "Finish the login in the browser, or allow more time with --login-timeout.";
  throw new OAuthError("timeout", `The browser didn't return to the callback within ${seconds} seconds. ${remedy}`);
}

/** The message doesn't contain the port: the user knows it. */
function unusablePort(cause: unknown): never {
  if (cause instanceof UsageError) throw cause;
  const remedy = "Choose another port with --redirect-port, or in --redirect-uri.";
  throw new UsageError(`The command can't listen for the callback (${errorCode(cause)}). ${remedy}`, cause);
}
