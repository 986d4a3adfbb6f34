/** The context that every command receives, the options that all commands share, and parsers for option values. */
import { Command } from "commander";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import type { Output } from "./output.js";

/** What a command reads from and writes to. */
export interface Context {
  readonly io: Io;
  readonly output: Output;
  /** The exit code if the command doesn't throw. */
  exitCode: number;
}

/** Creates a command with the options that all commands share. */
export function newCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--json", "print one JSON document on standard output, even for an error")
    .option("--provider <package>", "load a third-party key store (repeatable)", collect);
}

/** Collects the values of an option that can be repeated. */
export function collect(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Returns a parser for a positive number. */
export function positiveNumber(option: string): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+(\.\d+)?$/.test(value) && number > 0 && Number.isFinite(number)) return number;
    throw new UsageError(`${option} must be a number greater than 0.`);
  };
}

/** Returns a parser for one of a few words. */
export function oneOf<T extends string>(option: string, words: readonly T[]): (value: string) => T {
  return (value) => {
    const word = words.find((each) => each === value);
    if (word !== undefined) return word;
    throw new UsageError(`${option} must be one of ${words.join(", ")}.`);
  };
}
