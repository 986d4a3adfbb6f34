/** What AWS KMS or the SDK says about an error, fit for a message: short, on one line and without secrets. */

/** Characters. The longest sentences of AWS name two ARNs. */
const MAX_SENTENCE = 400;
const MAX_NAME = 80;
const MAX_TEXT = 2_000;
/**
 * What a service or a credential process may repeat after these words: the canonical request with the session token, the
 * Authorization header, or a command line with its arguments.
 */
const REVEALING =
  /canonical string|string[- ]to[- ]sign|authorization|x-amz-|\b(?:credential|signature|token|password|secret)\s*[=:]|\bcommand failed\b/i;
/** What the SDK says if the response has no message. */
const NO_MESSAGE = "UnknownError";
/** A session token, or the JWT of a web identity. */
const TOKEN = /[A-Za-z0-9+/=]{60,}|\beyJ[\w-]{10,}(?:\.[\w-]*)*/g;
/** Control characters, and those that change the direction of the text or aren't visible. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/**
 * Returns the first sentence of the service, or the first line of the SDK, whose second sentence is often the remedy.
 * It is empty if the error doesn't have a message, or if the message may repeat a secret.
 *
 * @param isFromService - Whether the error is a response of the service.
 */
export function firstSentence(text: string, isFromService: boolean): string {
  const [line = ""] = text.trimStart().split(/[\r\n]/, 1);
  if (/^command failed/i.test(line)) return "The credential_process failed. Run its command to see why.";
  const [sentence = line] = (isFromService && /^.*?[.!?](?=\s)/.exec(line)) || [];
  if (sentence === "" || sentence === NO_MESSAGE || REVEALING.test(sentence)) return "";
  const cleaned = clean(sentence.replace(TOKEN, "…"), MAX_SENTENCE);
  return /[.!?…]$/.test(cleaned) ? cleaned : `${cleaned}.`;
}

/** Returns whether an error's own text can be shown: it has no secret, nothing that changes a terminal, and isn't long. */
export function isPresentable({ name, message }: Error): boolean {
  const text = `${name} ${message}`;
  if (text.length > MAX_TEXT || REVEALING.test(text) || text.search(TOKEN) >= 0) return false;
  return text.replace(/[\n\t]/g, " ").search(INVISIBLE) < 0;
}

/** Returns an error's name, which can be any text that the server sent. */
export function cleanName(name: string): string {
  return clean(name, MAX_NAME) || "An error";
}

/** Returns an error's message. That of an `AggregateError`, such as for several addresses of a host, is in its errors. */
export function textOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return typeof error === "string" ? error : "";
  if ("message" in error && typeof error.message === "string" && error.message !== "") return error.message;
  return "errors" in error && Array.isArray(error.errors) && error.errors.length > 0 ? textOf(error.errors[0]) : "";
}

function clean(text: string, length: number): string {
  const visible = text.replace(INVISIBLE, " ").trim();
  return visible.length > length ? `${visible.slice(0, length)}…` : visible;
}
