/** `hardproof man`: prints the manual page. The build writes it to `dist/man/hardproof.1`. */
import type { Command } from "commander";
import { type Context, newCommand } from "../context.js";
import { manPage } from "../man-page.js";

/** Returns the command `man`. */
export function man({ output }: Context): Command {
  return newCommand("man", "print the manual page, in roff").action((_options: object, { parent }: Command) => {
    const page = parent === null ? "" : manPage(parent);
    output.document({ page });
    for (const line of page.trimEnd().split("\n")) output.line(line);
  });
}
