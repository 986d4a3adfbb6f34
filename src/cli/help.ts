/** What commander's help lacks: examples, and URIs of keys. */
import type { Command, Option } from "commander";
import { EXAMPLES, KEY_URI_EXAMPLES } from "./examples.js";

const MIN_WIDTH = 20;

/** Adds examples to the help of a command, and URIs if it uses a key. */
export function withHelp(command: Command): Command {
  const examples = EXAMPLES[command.name()] ?? [];
  const texts = [section("Examples", examples), usesKey(command) ? section("URIs of keys", KEY_URI_EXAMPLES) : ""];
  return command.configureHelp({ minWidthToWrap: MIN_WIDTH, optionTerm }).addHelpText("after", texts.join(""));
}

/** Whether an argument or an option of the command is a key's URI. */
export function usesKey({ registeredArguments, options }: Command): boolean {
  return registeredArguments.some((argument) => argument.name().startsWith("uri")) || options.some(isKeyOption);
}

/** Whether the value of an option is a key's URI. */
export function isKeyOption({ long }: Option): boolean {
  return long === "--key" || long === "--client-key";
}

/** Returns an option and its value: `--token -`, because the value is never anything else. */
export function optionTerm({ flags }: Pick<Option, "flags">): string {
  return flags.replace("<->", "-");
}

function section(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  return `\n${title}:\n${lines.map((line) => `  ${line.replaceAll("\n", "\n  ")}\n`).join("")}`;
}
