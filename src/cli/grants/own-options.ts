/** Options that only one grant has. They have a heading in the help, and are errors with any other grant. */
import type { Command } from "commander";
import { UsageError } from "../exit-codes.js";

/**
 * Adds options of a grant to a command.
 *
 * @param grant - The value of `--grant`.
 * @param add - Adds the options.
 */
export function withOwnOptions(command: Command, grant: string, add: (command: Command) => Command): Command {
  const { length } = command.options;
  add(command.optionsGroup(`Options of --grant ${grant}:`)).optionsGroup("");
  const own = command.options.slice(length);
  return command.hook("preAction", () => {
    if (command.opts().grant === grant) return;
    const unused = own.find((option) => command.getOptionValueSource(option.attributeName()) === "cli");
    if (unused) throw new UsageError(`${unused.long} needs --grant ${grant}.`);
  });
}
