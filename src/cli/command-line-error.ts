/**
 * Explains what is wrong with a command line, in the command's own words. commander's errors quote the argument, which may be
 * a secret in the wrong place; these name an option, but never a value.
 */
import type { Command, CommanderError } from "commander";
import { UsageError } from "./exit-codes.js";
import { adviceForOption } from "./other-options.js";

/** The name of an option, without a value that may be attached to it. Anything else may be a secret. */
const OPTION_NAME = /^(--[a-z]+(?:-[a-z]+)*(?==|$)|-[a-zA-Z])/;
const MAX_NAME = 32;

/**
 * Converts an error of commander.
 *
 * @param command - The command whose arguments were parsed.
 * @param args - The whole command line.
 */
export function commandLineError(error: CommanderError, command: Command, args: readonly string[]): UsageError {
  const [, quoted = ""] = /'(.*)'/s.exec(error.message.replace(/\n\(Did you mean .*$/s, "")) ?? [];
  const [, suggestion] = /\n\(Did you mean (?:one of )?(.*)\?\)$/.exec(error.message) ?? [];
  const typed = { text: quoted, position: args.indexOf(quoted) + 1, suggestion };
  return new UsageError(
    EXPLANATIONS[error.code]?.(typed, command) ?? `The command line is invalid. ${seeHelp(command)}`,
  );
}

/** What commander quotes: an argument as the user typed it, or the name of a declared one. */
interface Typed {
  readonly text: string;
  /** Its position in the command line, or 0. */
  readonly position: number;
  /** A similar name that the command has. */
  readonly suggestion: string | undefined;
}

type Explanation = (typed: Typed, command: Command) => string;

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  "commander.help": (_, command) => `Expected a command. ${seeHelp(command)}`,
  "commander.unknownCommand": unknownCommand,
  "commander.unknownOption": unknownOption,
  "commander.excessArguments": (_, command) => `Too many arguments. Expected: ${usageOf(command)}. ${seeHelp(command)}`,
  "commander.missingArgument": ({ text }, command) =>
    `The argument <${text}> is missing. Expected: ${usageOf(command)}. ${seeHelp(command)}`,
  "commander.optionMissingArgument": ({ text }, command) => {
    const [name] = text.split(" <");
    return `The option ${longName(name ?? text)} needs a value: ${text.replace(/^-\w, /, "")}. ${seeHelp(command)}`;
  },
  "commander.missingMandatoryOptionValue": ({ text }, command) =>
    `The option ${longName(text.split(" <")[0] ?? text)} is missing: pass ${text}. ${seeHelp(command)}`,
};

function unknownCommand({ text, position, suggestion }: Typed, command: Command): string {
  if (/^[a-z][a-z0-9+.-]*:/.test(text))
    return `Argument ${position} is a key's URI, but the command must come first: hardproof show <uri>. ${seeHelp(command)}`;
  const hint = suggestion === undefined ? seeHelp(command) : `Did you mean ${suggestion}?`;
  return `${positionOf(position)} is not a command. ${hint}`;
}

function unknownOption({ text, position, suggestion }: Typed, command: Command): string {
  const [name] = OPTION_NAME.exec(text) ?? [];
  const isKnownToBeAName = name !== undefined && name.length <= MAX_NAME;
  const subject = isKnownToBeAName ? name : positionOf(position);
  const problem = `${subject} is not an option of ${fullName(command)}.`;
  return `${problem} ${remedyFor(isKnownToBeAName ? name : undefined, suggestion, command)}`;
}

function remedyFor(name: string | undefined, suggestion: string | undefined, command: Command): string {
  const advice = name === undefined ? undefined : adviceForOption(name, command);
  if (advice !== undefined) return advice;
  if (suggestion !== undefined) return `Did you mean ${suggestion}?`;
  const owners = name === undefined ? [] : commandsWith(name, command);
  if (owners.length > 0) return `It is an option of ${owners.join(", ")}. ${seeHelp(command)}`;
  return seeHelp(command);
}

function commandsWith(name: string, { parent }: Command): string[] {
  const owners =
    parent?.commands.filter(({ options }) => options.some(({ long, short }) => long === name || short === name)) ?? [];
  return owners.map((owner) => owner.name());
}

function positionOf(position: number): string {
  return position === 0 ? "An argument" : `Argument ${position}`;
}

/** `-o, --output` → `--output`. */
function longName(names: string): string {
  return names.split(", ").at(-1) ?? names;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
}

function usageOf(command: Command): string {
  return `${fullName(command)} ${command.usage()}`.replace(/ \[options\]/, "");
}

function seeHelp(command: Command): string {
  return `See ${fullName(command)} --help.`;
}
