/** The manual page, from the same commands, options and examples as the help. */
import type { Command } from "commander";
import { ENVIRONMENT } from "./environment.js";
import { EXAMPLES, KEY_URI_EXAMPLES } from "./examples.js";
import { EXIT_CODE_MEANINGS } from "./exit-codes.js";
import { optionTerm } from "./help.js";
import { roffLines, roffSection, roffTerm, roffText } from "./roff.js";

/** Returns the page of the program, in roff. Its date is that of `SOURCE_DATE_EPOCH`, or today. */
export function manPage(root: Command): string {
  const source = `hardproof ${root.version() ?? ""}`;
  return [
    `.TH HARDPROOF 1 ${dateOf(process.env.SOURCE_DATE_EPOCH)} "${roffText(source)}" "User Commands"`,
    roffSection("NAME", `hardproof \\- ${roffText(root.description().replace(/\.$/, ""))}`),
    roffSection("SYNOPSIS", ".B hardproof", ".I command", "[options]"),
    roffSection("DESCRIPTION", roffText(DESCRIPTION)),
    roffSection("COMMANDS", ...root.commands.map(commandText)),
    roffSection("KEYS", roffText("The URI of a key in each store:"), roffLines(KEY_URI_EXAMPLES)),
    roffSection("EXIT STATUS", ...terms(EXIT_CODE_MEANINGS)),
    roffSection("ENVIRONMENT", ...terms(ENVIRONMENT)),
    "",
  ].join("\n");
}

const DESCRIPTION =
  "The result of a command goes to standard output, everything else to standard error. Secrets are read from the " +
  "environment, a file or standard input, never from an argument. A key is selected by its URI: as an argument, with " +
  "--key, or in HARDPROOF_KEY.";

function commandText(command: Command): string {
  const help = command.createHelp();
  const options = help.visibleOptions(command).map((option) => {
    return roffTerm(optionTerm(option), help.optionDescription(option) || option.flags);
  });
  const examples = EXAMPLES[command.name()] ?? [];
  const shown = examples.length === 0 ? [] : [roffLines(examples.flatMap((example) => example.split("\n")))];
  const synopsis = `.B ${roffText(`${command.name()} ${command.usage()}`)}`;
  return [
    `.SS ${roffText(command.name())}`,
    roffText(sentence(command.description())),
    ".PP",
    synopsis,
    ...options,
    ...shown,
  ].join("\n");
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function terms(table: Readonly<Record<string, string>>): string[] {
  return Object.entries(table).map(([term, meaning]) => roffTerm(term, meaning));
}

function dateOf(epoch: string | undefined): string {
  const time = epoch !== undefined && /^\d{1,12}$/.test(epoch) ? Number(epoch) * 1000 : Date.now();
  return new Date(time).toISOString().slice(0, 10);
}
