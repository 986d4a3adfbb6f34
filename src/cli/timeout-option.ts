/** The option `--timeout`, for the calls of servers and key stores. */
import type { Command } from "commander";
import { UsageError } from "./exit-codes.js";

/** The value of the option that {@link withTimeoutOption} adds. */
export interface TimeoutOption {
  /** Milliseconds. */
  timeout?: number | undefined;
}

/** Milliseconds: the library's time limit of a call of an authorization server. */
export const SERVER_TIMEOUT = 10_000;
/** Milliseconds: the time limit of a call of a resource server, of which the library has none. */
export const CALL_TIMEOUT = 60_000;
/** Seconds: one day. */
const LONGEST = 86_400;

/** What a command waits for, and the library's time limit for it in seconds. */
const DEFAULTS = {
  store: "key store: 30",
  server: `server: ${SERVER_TIMEOUT / 1000}`,
  call: `resource: ${CALL_TIMEOUT / 1000}`,
} as const;

/**
 * Adds the option to a command.
 *
 * @param waitsFor - What the command calls, for the help.
 */
export function withTimeoutOption(command: Command, ...waitsFor: (keyof typeof DEFAULTS)[]): Command {
  const defaults = waitsFor.map((name) => DEFAULTS[name]).join(", ");
  const description = `time limit of each call (default: ${defaults})`;
  return command.option("--timeout <seconds>", description, parseTimeout);
}

/** @throws {UsageError} If it isn't a number of seconds that a timer can wait. */
function parseTimeout(value: string): number {
  const seconds = /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : 0;
  if (seconds > 0 && seconds <= LONGEST) return Math.ceil(seconds * 1000);
  throw new UsageError(`--timeout must be a number of seconds, greater than 0 and at most ${LONGEST}: 10 or 0.5.`);
}
