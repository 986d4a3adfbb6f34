/** What each command is given, and the options that all of them have. */
import { Command } from "commander";
import { UsageError } from "./exit-codes.js";
import type { World } from "./io.js";
import type { Output } from "./output.js";

export interface Context {
  readonly world: World;
  readonly output: Output;
  /** What the command ends with unless it throws. */
  exitCode: number;
}

export function newCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--json", "one JSON document on standard output, errors too")
    .option("--provider <package>", "load a key store of a third party (repeat for more)", several);
}

/** For an option that may be given more than once. */
export function several(value: string, former: readonly string[] = []): string[] {
  return [...former, value];
}

/** For an option that takes a number. */
export function positive(option: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+(\.\d+)?$/.test(value) && number > 0 && Number.isFinite(number)) return number;
    throw new UsageError(`${option} must be a number above 0.`);
  };
}

/** For an option that takes one of a few words. */
export function oneOf<T extends string>(option: string, words: readonly T[]): (value: string) => T {
  return (value) => {
    const word = words.find((each) => each === value);
    if (word !== undefined) return word;
    throw new UsageError(`${option} must be one of ${words.join(", ")}.`);
  };
}
