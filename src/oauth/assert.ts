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
 * Returns the value if it is an object, such as the options of a call that JavaScript could omit.
 *
 * @throws {OAuthError} With code `misconfigured`.
 */
export function assertObject<T>(value: T, name: string): T {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw misconfigured(`${name} must be an object.`);
}

/**
 * Checks the option `fetch`.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a function.
 */
export function assertFetch(fetch: unknown): void {
  if (fetch !== undefined && typeof fetch !== "function") throw misconfigured("fetch must be a function.");
}

/**
 * Returns the option `timeout`.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a number of milliseconds greater than 0.
 */
export function assertTimeout(timeout: unknown): number {
  if (typeof timeout === "number" && timeout > 0) return timeout;
  throw misconfigured("timeout must be a number of milliseconds greater than 0.");
}
