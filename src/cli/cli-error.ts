/** Any error as one line, an exit code and the members of a JSON document; with nothing in it that was typed as a value. */
import { CommanderError } from "commander";
import type { HardproofError } from "../index.js";
import { EXIT, exitCodeOf, isOurs, UsageError } from "./exit-codes.js";
import { Interruption } from "./io.js";

export interface Failure {
  readonly message: string;
  readonly exitCode: number;
  /** What the JSON document says of it. */
  readonly details: { readonly code: string; readonly message: string } & Readonly<Record<string, unknown>>;
}

/** @param args - the command line, to say where in it the mistake is */
export function failureOf(thrown: unknown, args: readonly string[], signal: AbortSignal): Failure {
  if (signal.aborted) return interrupted(signal.reason);
  const error = thrown instanceof CommanderError ? usageError(thrown, args) : thrown;
  if (!isOurs(error)) return unexpected(error);
  const { code, message } = error;
  return { message, exitCode: exitCodeOf(error), details: { code, message, ...moreOf(error) } };
}

function interrupted(reason: unknown): Failure {
  const exitCode = reason instanceof Interruption ? reason.exitCode : EXIT.interrupted;
  const message = "Interrupted.";
  return { message, exitCode, details: { code: "interrupted", message } };
}

/** Its message is nobody's promise to hold no secret, so that it is not shown. */
function unexpected(error: unknown): Failure {
  const message = `Unexpected ${error instanceof Error ? error.name : typeof error}. This is a mistake in hardproof.`;
  return { message, exitCode: EXIT.unexpected, details: { code: "unexpected", message } };
}

/** What else the error's class has to say; see src/errors.ts. */
const MEMBERS = ["uri", "retryable", "error", "errorDescription", "statusCode"];

function moreOf(error: HardproofError): Record<string, unknown> {
  return Object.fromEntries(Object.entries(error).filter(([name]) => MEMBERS.includes(name)));
}

/** commander repeats what was typed, which may be a secret that stands in the wrong place. */
function usageError(error: CommanderError, args: readonly string[]): UsageError {
  const [, typed = ""] = /'(.*)'/s.exec(error.message.replace(/\n\(Did you mean .*$/s, "")) ?? [];
  const position = args.indexOf(typed);
  const where = position < 0 ? "An argument" : `Argument ${position + 1}`;
  const [, meant] = /\n\(Did you mean (?:one of )?(.*)\?\)$/.exec(error.message) ?? [];
  const hint = meant === undefined ? "See hardproof --help." : `Did you mean ${meant}?`;
  return new UsageError(messageOf(error, where, hint));
}

function messageOf({ code, message }: CommanderError, where: string, hint: string): string {
  // These name what was declared, not what was typed.
  const [, declared] = /^error: (?:missing required argument|option|required option) '([^']+)'/.exec(message) ?? [];
  const messages: Readonly<Record<string, string>> = {
    "commander.help": "Name a command. See hardproof --help.",
    "commander.unknownCommand": `${where} is no command. ${hint}`,
    "commander.unknownOption": `${where} is no option of this command. ${hint}`,
    "commander.excessArguments": "There are more arguments than this command takes. See hardproof --help.",
    "commander.missingArgument": `The argument <${declared}> is missing.`,
    "commander.optionMissingArgument": `The option ${declared} needs a value.`,
    "commander.missingMandatoryOptionValue": `The option ${declared} is missing.`,
  };
  return messages[code] ?? "The command line is wrong. See hardproof --help.";
}
