/** The parameters of an authorization response, however the application received them (RFC 6749 §4.1.2). */
import { misconfigured } from "../assert.js";
import { invalidCallback } from "./invalid-callback.js";

/**
 * What the server sent to the callback: its complete URL, with the response in the query or in the fragment; the form
 * that was posted to it (`form_post`); or the fields of either, as a web framework parses them.
 */
export type AuthorizationCallback = string | URL | URLSearchParams | FormData | Readonly<Record<string, unknown>>;

/** The parameters of an authorization response. */
export type CallbackParameter = "code" | "state" | "iss" | "error" | "error_description" | "response";

/** Each parameter that the response contains. */
export type CallbackParameters = Readonly<Partial<Record<CallbackParameter, string>>>;

const PARAMETERS: readonly CallbackParameter[] = ["code", "state", "iss", "error", "error_description", "response"];

/**
 * Reads the parameters of an authorization response. Ignores all others, such as those of the redirect URI itself.
 *
 * @throws {OAuthError} With code `invalid-response` if a parameter is repeated or isn't a string, `misconfigured` if the
 *   callback isn't one.
 */
export function callbackParameters(callback: AuthorizationCallback): CallbackParameters {
  if (typeof callback === "string" || callback instanceof URL) return parametersOfUrl(callback);
  if (typeof callback !== "object" || callback === null) throw notACallback();
  if (isForm(callback)) return parametersOf((name) => callback.getAll(name));
  return parametersOf((name) => (Object.hasOwn(callback, name) ? [callback[name] ?? []].flat() : []));
}

/** A fragment counts only if the query doesn't contain a response: an application may use fragments for itself. */
function parametersOfUrl(callback: string | URL): CallbackParameters {
  const text = String(callback); // read once: a URL object could become another one when it is read again
  if (!URL.canParse(text)) throw notACallback();
  const { searchParams, hash } = new URL(text);
  const query = parametersOf((name) => searchParams.getAll(name));
  if (query.state !== undefined || query.response !== undefined) return query;
  const fragmentParameters = new URLSearchParams(hash.slice(1));
  const fragment = parametersOf((name) => fragmentParameters.getAll(name));
  return Object.keys(fragment).length === 0 ? query : fragment;
}

function parametersOf(valuesOf: (name: string) => readonly unknown[]): CallbackParameters {
  const parameters: Partial<Record<CallbackParameter, string>> = {};
  for (const name of PARAMETERS) {
    const [value, another] = valuesOf(name);
    if (another !== undefined) throw invalidCallback(`contains ${name} more than once`);
    if (value !== undefined && typeof value !== "string") throw invalidCallback(`contains ${name} that isn't text`);
    if (value !== undefined) parameters[name] = value;
  }
  return parameters;
}

function isForm(callback: object): callback is URLSearchParams | FormData {
  return "getAll" in callback && typeof callback.getAll === "function";
}

function notACallback() {
  return misconfigured("The callback must be the callback's complete URL, its form, or its fields.");
}
