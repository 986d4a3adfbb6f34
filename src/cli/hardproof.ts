/** The command `hardproof`: parses the command line, runs one command and reports its error in one line. */
import { CommanderError } from "commander";
import { cliError } from "./cli-error.js";
import type { Context } from "./context.js";
import { EXIT } from "./exit-codes.js";
import type { Io } from "./io.js";
import { Output } from "./output.js";
import { program } from "./program.js";
import { TypedSecrets } from "./typed-secrets.js";
import { noteWaiting } from "./waiting-notes.js";

/**
 * Runs the command.
 *
 * @param args - The command line without the names of node and the program.
 * @returns The exit code.
 */
export async function hardproof(args: readonly string[], io: Io): Promise<number> {
  const isJson = hasJsonOption(args);
  const output = new Output(io, isJson);
  const context: Context = { io, output, secrets: new TypedSecrets(io, isJson), exitCode: EXIT.ok };
  const endNotes = noteWaiting(output);
  try {
    await program(context, args).parseAsync(args, { from: "user" });
    io.signal.throwIfAborted();
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok; // --help, --version
    const { message, details, exitCode } = cliError(error, io);
    output.error(message, details);
    return exitCode;
  } finally {
    endNotes();
    output.end();
  }
}

/** Looks for `--json` before the command line is parsed, so that a parse error is also a JSON document. */
function hasJsonOption(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).includes("--json");
}
