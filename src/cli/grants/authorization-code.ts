/** `--grant authorization_code`: the user logs in with a browser on this machine (RFC 6749 §4.1, RFC 8252). */
import type { Command } from "commander";
import type { AssertionKey, OAuthClient, Token } from "../../index.js";
import type { ClientOptions } from "../client-options.js";
import { oneOf, positiveNumber } from "../context.js";
import { type CallbackOptions, listenForCallback } from "../login/callback.js";
import { openBrowser } from "../login/open-browser.js";
import { parsePort } from "../login/redirect-uri.js";
import type { GrantCall } from "./grant-call.js";
import { withOwnOptions } from "./own-options.js";

/** A response in the fragment doesn't reach the command. */
const RESPONSE_MODES = ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"] as const;
/** Seconds. */
const DEFAULT_TIMEOUT = 300;

/** The values of the options that {@link withLoginOptions} adds. */
export interface LoginOptions {
  redirectUri?: string;
  redirectPort?: number;
  browser: boolean;
  loginTimeout: number;
  responseMode?: (typeof RESPONSE_MODES)[number];
  par?: true;
  signRequest?: true;
}

/** Adds the options of a login with a browser to a command. */
export function withLoginOptions(command: Command): Command {
  const seconds = positiveNumber("--login-timeout");
  return withOwnOptions(command, "authorization_code", (own) =>
    own
      .option("--redirect-uri <uri>", "callback on this machine (default: http://127.0.0.1/callback with a free port)")
      .option("--redirect-port <port>", "port of the callback, if the server requires a certain one", parsePort)
      .option("--no-browser", "only print the URL of the login, don't open it")
      .option("--login-timeout <seconds>", "time that the user has for the login", seconds, DEFAULT_TIMEOUT)
      .option("--response-mode <mode>", RESPONSE_MODES.join(", "), oneOf("--response-mode", RESPONSE_MODES))
      .option("--par", "push the authorization request (RFC 9126), even if the server doesn't require it")
      .option("--sign-request", "sign the authorization request (RFC 9101) with the key of private_key_jwt"),
  );
}

/** The URL of the login goes to standard error, even with `--json`, because the user must open it. */
export async function authorizationCode(call: GrantCall, options: LoginOptions & ClientOptions): Promise<Token> {
  const { client, request, context } = call;
  const { io, output } = context;
  const { responseMode, par: pushed, loginTimeout } = options;
  const onRefused = () => output.note("A request to the callback was refused: it isn't the response to this login.");
  const callback = await listenForCallback({ ...callbackOptions(options), onRefused });
  try {
    const { redirectUri, state } = callback;
    const requestObject = requestKey(client, call.assertionKey, options);
    const login = { redirectUri, state, pushed, responseMode, requestObject };
    const pending = await client.authorizationUrl({ ...request, ...login });
    output.prompt(`Open this URL in a browser on this machine to log in: ${pending.url}`);
    if (options.browser) openBrowser(pending.url, io);
    const response = await callback.response(loginTimeout, io.signal);
    // Additional parameters belong to the authorization request.
    return await client.authorizationCode(response, { ...request, ...pending, extra: undefined });
  } finally {
    callback.close();
  }
}

function callbackOptions({ redirectUri, redirectPort: port, responseMode }: LoginOptions) {
  const posted = responseMode?.startsWith("form_post") ?? false;
  return { redirectUri, port, posted } satisfies Partial<CallbackOptions>;
}

/** Returns the key that signs the request, if the user, the profile or the server wants a signature. */
function requestKey(
  { metadata }: OAuthClient,
  key: AssertionKey,
  { signRequest, profile }: LoginOptions & ClientOptions,
): AssertionKey | undefined {
  const isRequired = profile === "fapi2-message-signing" || metadata?.require_signed_request_object === true;
  return signRequest || isRequired ? key : undefined;
}
