/**
 * Converts any thrown value to one line of text, an exit code and a JSON document. None of them contains a value that the
 * user typed.
 */
import { CommanderError } from "commander";
import type { HardproofError } from "../index.js";
import { EXIT, exitCodeFor, isHardproofError, UsageError } from "./exit-codes.js";
import { Interruption } from "./io.js";
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
 * @param args - The command line, used to find the position of an invalid argument.
 * @param signal - The command's signal. If it is aborted, the error is the interruption, whatever was thrown.
 */
export function cliError(thrown: unknown, args: readonly string[], signal: AbortSignal): CliError {
  if (signal.aborted) return interrupted(signal.reason);
  const error = thrown instanceof CommanderError ? usageError(thrown, args) : thrown;
  if (!isHardproofError(error)) return unexpectedError(error);
  const { code } = error;
  const message = withOptionNames(error.message);
  return { message, exitCode: exitCodeFor(error), details: { code, message, ...extraMembers(error) } };
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

/** Rewrites commander's errors: they quote the argument, which may be a secret in the wrong place. */
function usageError(error: CommanderError, args: readonly string[]): UsageError {
  const [, quoted = ""] = /'(.*)'/s.exec(error.message.replace(/\n\(Did you mean .*$/s, "")) ?? [];
  const index = args.indexOf(quoted);
  const argument = index < 0 ? "An argument" : `Argument ${index + 1}`;
  const [, suggestion] = /\n\(Did you mean (?:one of )?(.*)\?\)$/.exec(error.message) ?? [];
  const hint = suggestion === undefined ? "See hardproof --help." : `Did you mean ${suggestion}?`;
  return new UsageError(usageMessage(error, argument, hint));
}

function usageMessage({ code, message }: CommanderError, argument: string, hint: string): string {
  // These errors quote the name of a declared option or argument, never a typed value.
  const [, declared] = /^error: (?:missing required argument|option|required option) '([^']+)'/.exec(message) ?? [];
  const messages: Readonly<Record<string, string>> = {
    "commander.help": "Expected a command. See hardproof --help.",
    "commander.unknownCommand": `${argument} is not a command. ${hint}`,
    "commander.unknownOption": `${argument} is not an option of this command. ${hint}`,
    "commander.excessArguments": "Too many arguments for this command. See hardproof --help.",
    "commander.missingArgument": `The argument <${declared}> is missing.`,
    "commander.optionMissingArgument": `The option ${declared} needs a value.`,
    "commander.missingMandatoryOptionValue": `The option ${declared} is missing.`,
  };
  return messages[code] ?? "The command line is invalid. See hardproof --help.";
}
