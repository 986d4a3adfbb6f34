/** Narrow checks at the door: what is refused before anything is sent. */
import { OAuthError } from "../errors.js";

export function misconfigured(message: string): OAuthError {
  return new OAuthError("misconfigured", message);
}

/** @throws {OAuthError} code `misconfigured`, without the value, which may be a secret */
export function checkText(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw misconfigured(`${name} must be a string, and not empty.`);
}
