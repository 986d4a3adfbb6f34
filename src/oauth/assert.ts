/** Checks of options and arguments, made before anything is sent. */
import { OAuthError } from "../errors.js";

/** Creates the error for an invalid option or argument. */
export function misconfigured(message: string): OAuthError {
  return new OAuthError("misconfigured", message);
}

/**
 * Returns the value if it is a non-empty string.
 *
 * @throws {OAuthError} With code `misconfigured`. The message doesn't contain the value, which may be a secret.
 */
export function assertString(value: unknown, name: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw misconfigured(`${name} must be a non-empty string.`);
}
