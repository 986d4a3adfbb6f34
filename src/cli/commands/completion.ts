/** `hardproof completion`: prints a script that completes the command in a shell. */
import { Argument, type Command } from "commander";
import { bashCompletion } from "../completion/bash.js";
import { fishCompletion } from "../completion/fish.js";
import { type VocabularyCommand, vocabularyOf } from "../completion/vocabulary.js";
import { zshCompletion } from "../completion/zsh.js";
import { type Context, newCommand, oneOf } from "../context.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const SCRIPTS: Readonly<Record<Shell, (commands: readonly VocabularyCommand[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

/** Returns the command `completion`. */
export function completion({ output }: Context): Command {
  const argument = new Argument("<shell>", SHELLS.join(", ")).argParser(oneOf("The shell", SHELLS));
  return newCommand("completion", "print a script that completes the command in a shell")
    .addArgument(argument)
    .action((shell: Shell, _options: object, { parent }: Command) => {
      const script = parent === null ? "" : SCRIPTS[shell](vocabularyOf(parent));
      output.document({ shell, script });
      for (const line of script.trimEnd().split("\n")) output.line(line);
    });
}
