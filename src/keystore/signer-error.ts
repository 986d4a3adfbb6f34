/** Errors of key stores: each names the key or the store that it is about. */
import { SignerError, type SignerErrorCode } from "../errors.js";

/**
 * Creates an error whose message starts with the key's URI.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 */
export function signerError(uri: string, code: SignerErrorCode, message: string, cause?: unknown): SignerError {
  return new SignerError(code, `${uri}: ${message}`, { uri, cause });
}

/**
 * Returns the error with the key's URI. An error that isn't a `SignerError` becomes one with code `unavailable`.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 */
export function withKeyUri(uri: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== "SignerError")
    return signerError(uri, "unavailable", "The key store failed in a way that its provider doesn't recognise.", error);
  if (!(error instanceof SignerError) || error.uri !== undefined) return error;
  return signerError(uri, error.code, error.message, error.cause);
}

/** Creates an error with code `misconfigured`, for an option, a URI or an installation that must be corrected. */
export function misconfigured(message: string, options: { uri?: string; cause?: unknown } = {}): SignerError {
  return new SignerError("misconfigured", message, options);
}
