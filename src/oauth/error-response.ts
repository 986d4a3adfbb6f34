/** What a server's refusal says (RFC 6749 §5.2), without the secrets that it may repeat. */
import { OAuthError } from "../errors.js";
import { ERROR_CODES } from "./error-codes.js";
import { type Answer, nameOf, parseObject } from "./http.js";

const MOST_CHARACTERS = 500;

/** The error that an answer of another status than 2xx is. */
export function refusal(url: URL, { response, text }: Answer, secrets: readonly string[] = []): OAuthError {
  const blot = (words: string) => secrets.reduce((left, secret) => left.replaceAll(secret, "[redacted]"), words);
  const said = serverWords(parseObject(text), text);
  const error = ERROR_CODES.has(said.error) ? said.error : blot(said.error);
  const errorDescription = said.description === null ? null : blot(said.description);
  const message = `${nameOf(url)} answered ${response.status}: ${sentence(error, errorDescription)}`;
  return new OAuthError("refused", message, { error, errorDescription, response });
}

/** The server's words in an error message: on one line, and no longer than a log bears. */
export function sentence(error: string, errorDescription: string | null): string {
  const words = errorDescription ? `${error}, ${errorDescription}` : error;
  return words.replace(/\p{Cc}+/gu, " ").slice(0, MOST_CHARACTERS);
}

/** RFC 6749 §5.2, or `{"error":{"code","message"}}`, or no JSON at all. */
function serverWords(body: Record<string, unknown> | undefined, text: string) {
  const { error } = body ?? {};
  if (typeof error === "string" && error !== "") return { error, description: stringOrNull(body?.error_description) };
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return { error: error.code, description: "message" in error ? stringOrNull(error.message) : null };
  return { error: "token_request_failed", description: stringOrNull(body?.error_description) ?? (text || null) };
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
