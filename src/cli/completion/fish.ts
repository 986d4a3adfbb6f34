/** Completion for fish 3.0 and later. */
import { type VocabularyCommand, type VocabularyOption, wordsOf } from "./vocabulary.js";

/** Returns the script. */
export function fishCompletion(commands: readonly VocabularyCommand[]): string {
  const lines = commands.flatMap(commandLines);
  return `# Completion of hardproof for fish.\ncomplete -c hardproof -f\n${lines.join("\n")}\n`;
}

function commandLines({ name, description, options, argument }: VocabularyCommand): string[] {
  const inCommand = `complete -c hardproof -n '__fish_seen_subcommand_from ${name}'`;
  const words = wordsOf(argument);
  return [
    `complete -c hardproof -n __fish_use_subcommand -a ${name} -d ${quote(description)}`,
    ...(words.length > 0 ? [`${inCommand} -a ${quote(words.join(" "))}`] : []),
    ...options.map((option) => `${inCommand} ${optionArguments(option)}`),
  ];
}

function optionArguments({ names, description, value }: VocabularyOption): string {
  const spelling = names.map((name) => (name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  return [...spelling, ...valueArguments(value), "-d", quote(description)].join(" ");
}

function valueArguments(value: VocabularyOption["value"]): string[] {
  if (value === undefined) return [];
  if (value === "file") return ["-r", "-F"];
  const words = wordsOf(value);
  return words.length > 0 ? ["-x", "-a", quote(words.join(" "))] : ["-x"];
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}
