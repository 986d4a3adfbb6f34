/** What a shell can complete: the commands, their options, and the values of those options. */
import type { Command, Option } from "commander";
import { KEY_URI_EXAMPLES } from "../examples.js";
import { isKeyOption, usesKey } from "../help.js";

/** What the value of an option, or an argument, can be: one of a few words, a file, a key's URI, or any text. */
export type Value = readonly string[] | "file" | "uri" | "text";

/** An option that can be completed. */
export interface VocabularyOption {
  /** `-o` and `--output`. */
  readonly names: readonly string[];
  readonly description: string;
  /** `undefined` if the option doesn't have a value. */
  readonly value: Value | undefined;
}

/** A command that can be completed. */
export interface VocabularyCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly VocabularyOption[];
  /** What its first argument can be. */
  readonly argument: Value;
}

/** The schemes of the stores' URIs, with their colon. */
export const SCHEMES: readonly string[] = KEY_URI_EXAMPLES.map((uri) => uri.slice(0, uri.indexOf(":") + 1));

/** Returns the commands of the program, with their options. */
export function vocabularyOf(root: Command): VocabularyCommand[] {
  return root.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.createHelp().visibleOptions(command).map(vocabularyOption),
    argument: argumentOf(command),
  }));
}

/** Returns what a value can be, as the words of the shell's script. Any other text has none. */
export function wordsOf(value: Value | undefined): readonly string[] {
  if (value === "uri") return SCHEMES;
  return typeof value === "object" ? value : [];
}

function vocabularyOption(option: Option): VocabularyOption {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  return { names, description: option.description, value: valueOfOption(option) };
}

function valueOfOption(option: Option): Value | undefined {
  if (!option.required && !option.optional) return undefined;
  const words = parsedWords(option.parseArg);
  if (words !== undefined) return words;
  if (isKeyOption(option)) return "uri";
  if (option.flags.endsWith("<->")) return ["-"];
  return /<(?:file|path)>$/.test(option.flags) ? "file" : "text";
}

function argumentOf(command: Command): Value {
  const [argument] = command.registeredArguments;
  return parsedWords(argument?.parseArg) ?? (argument && usesKey(command) ? "uri" : "text");
}

/** Returns the words of a parser that `oneOf` made. */
function parsedWords(parse: unknown): readonly string[] | undefined {
  if (typeof parse !== "function" || !("words" in parse) || !Array.isArray(parse.words)) return undefined;
  return parse.words;
}
