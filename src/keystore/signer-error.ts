/** Errors of key stores: each names the key or the store that it is about. */
import { SignerError, type SignerErrorCode } from "../errors.js";
import { oneLine } from "./one-line.js";

/** Characters of a store's message that are repeated. */
const MAX_WORDS = 300;

/**
 * Creates an error whose message starts with the key's URI.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 */
export function signerError(uri: string, code: SignerErrorCode, message: string, cause?: unknown): SignerError {
  return new SignerError(code, `${uri}: ${message}`, { uri, cause });
}

/** Checks the error's name instead of using `instanceof`: a provider may load its own copy of this package. */
export function isSignerError(error: unknown): error is SignerError {
  return error instanceof Error && error.name === "SignerError";
}

/**
 * Returns the error with the key's URI. An error that isn't a `SignerError` becomes one with code `unexpected`, which
 * isn't retryable: only the store's provider knows which errors are.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 */
export function withKeyUri(uri: string, error: unknown): unknown {
  if (!isSignerError(error)) return signerError(uri, "unexpected", `The key store failed: ${wordsOf(error)}.`, error);
  if (!(error instanceof SignerError) || error.uri !== undefined) return error;
  return signerError(uri, error.code, error.message, error.cause);
}

/** Returns the name, the code and the first line of an error. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return "it threw a value that isn't an error";
  const code = "code" in error && ["string", "number"].includes(typeof error.code) ? ` ${error.code}` : "";
  const [line = ""] = error.message.split(/[\r\n]/, 1);
  return `${error.name}${code}: ${oneLine(line, MAX_WORDS).replace(/\.$/, "")}`;
}

/** Creates an error with code `misconfigured`, for an option, a URI or an installation that must be corrected. */
export function misconfigured(message: string, options: { uri?: string; cause?: unknown } = {}): SignerError {
  return new SignerError("misconfigured", message, options);
}
