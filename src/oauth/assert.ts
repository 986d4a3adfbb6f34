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

/**
 * Returns the options if they are an object.
 *
 * @param name - What the options are of.
 * @throws {OAuthError} With code `misconfigured`.
 */
export function assertOptions<T extends object>(options: T, name: string): T {
  if (typeof options === "object" && options !== null) return options;
  throw misconfigured(`${name} needs an object with its options.`);
}
