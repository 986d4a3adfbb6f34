/** Error responses of an authorization server (RFC 6749 §5.2) as {@link OAuthError}. */
import { OAuthError } from "../errors.js";
import { ERROR_CODES } from "./error-codes.js";
import { displayUrl, type HttpResponse, parseObject } from "./http.js";
import type { Redact } from "./redact.js";

interface ErrorBody {
  readonly error: string;
  readonly description: string | null;
}

const MAX_CHARACTERS = 500;

/**
 * Creates the error for a response without status 2xx.
 *
 * @param redact - Removes the request's secrets, which a server may repeat in its response.
 * @param remedy - Returns what to do about an error, as the end of the message.
 */
export function errorResponse(
  url: URL,
  { response, text }: HttpResponse,
  redact: Redact = (text) => text,
  remedy: (error: string, status: number) => string | undefined = () => undefined,
): OAuthError {
  const body = parseError(parseObject(text), text);
  const error = ERROR_CODES.has(body.error) ? body.error : redact(body.error);
  const errorDescription = body.description === null ? null : redact(body.description);
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

function endSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Reads the format of RFC 6749 §5.2, `{"error":{"code","message"}}`, or a body that isn't JSON. */
function parseError(body: Record<string, unknown> | undefined, text: string): ErrorBody {
  const { error } = body ?? {};
  if (typeof error === "string" && error !== "") return { error, description: stringOrNull(body?.error_description) };
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return { error: error.code, description: "message" in error ? stringOrNull(error.message) : null };
  return { error: "token_request_failed", description: stringOrNull(body?.error_description) ?? (text || null) };
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
