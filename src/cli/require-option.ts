/** The option `--require`: where the private key must be. The library decides whether a key meets it. */
import type { Command } from "commander";
import { type KeyDescription, type KeyRequirement, requireNonExportable, type Signer } from "../index.js";
import { UsageError } from "./exit-codes.js";

type Protection = KeyDescription["protection"];

const PROTECTIONS: readonly Protection[] = ["hsm", "tpm", "software", "external", "unknown"];

/** The value of the option that {@link withRequireOption} adds. */
export interface RequireOption {
  require?: KeyRequirement | undefined;
}

/** Adds the option `--require` to a command. */
export function withRequireOption(command: Command): Command {
  const description =
    "where the private key must be, such as hsm,tpm; it also must not be exportable. Otherwise the command ends first";
  return command.option(
    "--require <protections>",
    description,
    Object.assign(parseRequirement, { words: PROTECTIONS }),
  );
}

/**
 * Opens the key, and checks it. Without a requirement, the key isn't opened.
 *
 * @throws {SignerError} With code `wrong-key` if the key doesn't meet the requirement.
 */
export async function checkRequirement(signer: Signer, { require }: RequireOption, signal: AbortSignal): Promise<void> {
  if (require !== undefined) await requireNonExportable(signer, { ...require, signal });
}

function parseRequirement(value: string, previous?: KeyRequirement): KeyRequirement {
  if (previous !== undefined) throw new UsageError("Pass --require once, with a comma-separated list: hsm,tpm.");
  const words = value.split(",");
  const protection = PROTECTIONS.filter((each) => words.includes(each));
  const unknown = words.find((word) => !PROTECTIONS.some((each) => each === word));
  if (unknown === undefined) return { protection };
  throw new UsageError(
    `--require must be a comma-separated list of ${PROTECTIONS.join(", ")}.${suggestionFor(unknown)}`,
  );
}

/** Suggests only what the user typed in another case or order: for `se` or `strongbox`, `software` would be the opposite. */
function suggestionFor(word: string): string {
  const letters = sortedLetters(word);
  const meant = PROTECTIONS.find((each) => sortedLetters(each) === letters);
  return meant === undefined ? "" : ` Did you mean ${meant}?`;
}

function sortedLetters(word: string): string {
  return [...word.toLowerCase()].sort().join("");
}
