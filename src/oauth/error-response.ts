/** Error responses of an authorization server (RFC 6749 §5.2) as {@link OAuthError}. */
import { OAuthError } from "../errors.js";
import { ERROR_CODES } from "./error-codes.js";
import { displayUrl, type HttpResponse } from "./http.js";
import type { Redact } from "./redact.js";
import { readError } from "./server-error.js";

const MAX_CHARACTERS = 500;

/**
 * Creates the error for a response that refuses the request.
 *
 * @param redact - Removes the request's secrets, which a server may repeat in its response.
 * @param remedy - Returns what to do about an error, as the end of the message.
 */
export function errorResponse(
  url: URL,
  httpResponse: HttpResponse,
  redact: Redact = (text) => text,
  remedy: (error: string, status: number) => string | undefined = () => undefined,
): OAuthError {
  const { response } = httpResponse;
  const { error: code, description } = readError(httpResponse);
  const error = ERROR_CODES.has(code) ? code : redact(code);
  const errorDescription = description === null ? null : redact(description);
  const message = `${displayUrl(url)} responded with status ${response.status}: ${errorText(error, errorDescription)}`;
  const advice = remedy(error, response.status);
  const fullMessage = advice === undefined ? message : `${endSentence(message)} ${advice}`;
  return new OAuthError("refused", fullMessage, { error, errorDescription, response });
}

/** Formats a server's error for a message, on one line of limited length. */
export function errorText(error: string, errorDescription: string | null): string {
  const text = errorDescription ? `${error}, ${errorDescription}` : error;
  return text.replace(/\p{Cc}+/gu, " ").slice(0, MAX_CHARACTERS);
}

/** Returns a text that ends with a full stop, unless it already ends a sentence. */
export function endSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
