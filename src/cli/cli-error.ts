/**
 * Converts any thrown value to one line of text, an exit code and a JSON document. None of them contains a value that the
 * user typed.
 */
import type { HardproofError } from "../index.js";
import { EXIT, exitCodeFor, isHardproofError } from "./exit-codes.js";
import { Interruption, type Io } from "./io.js";
import { networkHint } from "./network-hint.js";
import { withOptionNames } from "./option-names.js";

/** An error as the command reports it. */
export interface CliError {
  readonly message: string;
  readonly exitCode: number;
  /** The member `error` of the JSON document. */
  readonly details: { readonly code: string; readonly message: string } & Readonly<Record<string, unknown>>;
}

/**
 * Converts a thrown value.
 *
 * @param io - If its signal is aborted, the error is the interruption, whatever was thrown.
 */
export function cliError(error: unknown, { env, signal }: Pick<Io, "env" | "signal">): CliError {
  if (signal.aborted) return interrupted(signal.reason);
  if (error instanceof Interruption) return interrupted(error);
  if (!isHardproofError(error)) return unexpectedError(error);
  const { code } = error;
  const hint = code === "unreachable" ? networkHint(error, env) : timeoutHint(error);
  const message = [withOptionNames(error.message), hint].filter(Boolean).join(" ");
  return { message, exitCode: exitCodeFor(error), details: { code, message, ...extraMembers(error) } };
}

/** The user's time for a login or a device code isn't a call's. */
function timeoutHint({ code, message }: HardproofError): string | undefined {
  return code === "timeout" && /\bwithin \d+ ms\b/.test(message) ? "Raise --timeout if it needs more time." : undefined;
}

function interrupted(reason: unknown): CliError {
  const exitCode = reason instanceof Interruption ? reason.exitCode : EXIT.interrupted;
  const message = "Interrupted.";
  return { message, exitCode, details: { code: "interrupted", message } };
}

/** Doesn't print the error's message: it may contain a secret. */
function unexpectedError(error: unknown): CliError {
  const message = `Unexpected ${error instanceof Error ? error.name : typeof error}. This is a bug in hardproof: please report it.`;
  return { message, exitCode: EXIT.unexpected, details: { code: "unexpected", message } };
}

/** Members of the error classes in src/errors.ts that the JSON document repeats. */
const EXTRA_MEMBERS = ["uri", "retryable", "error", "errorDescription", "statusCode"];

function extraMembers(error: HardproofError): Record<string, unknown> {
  return Object.fromEntries(Object.entries(error).filter(([name]) => EXTRA_MEMBERS.includes(name)));
}
