/** The commands of `hardproof`, with their help and errors. */
import { createRequire } from "node:module";
import { Command } from "commander";
import { commandLineError } from "./command-line-error.js";
import { bench } from "./commands/bench.js";
import { completion } from "./commands/completion.js";
import { csr } from "./commands/csr.js";
import { deleteCommand } from "./commands/delete.js";
import { demo } from "./commands/demo.js";
import { doctor } from "./commands/doctor.js";
import { fetchCommand } from "./commands/fetch.js";
import { introspect } from "./commands/introspect.js";
import { keygen } from "./commands/keygen.js";
import { keys } from "./commands/keys.js";
import { man } from "./commands/man.js";
import { proof } from "./commands/proof.js";
import { register } from "./commands/register.js";
import { revoke } from "./commands/revoke.js";
import { show } from "./commands/show.js";
import { token } from "./commands/token.js";
import { verify } from "./commands/verify.js";
import type { Context } from "./context.js";
import { ENVIRONMENT_HELP } from "./environment.js";
import { EXIT_CODES_HELP } from "./exit-codes.js";
import { withHelp } from "./help.js";
import type { Io } from "./io.js";
import { loadSelectedProviders } from "./key-uri.js";
import { proxyProblem, useProxy } from "./proxy.js";

const COMMANDS = [
  keygen,
  keys,
  deleteCommand,
  show,
  csr,
  proof,
  verify,
  register,
  token,
  introspect,
  revoke,
  fetchCommand,
  doctor,
  bench,
  demo,
  completion,
  man,
];

/**
 * Returns the program.
 *
 * @param args - The command line, for errors.
 */
export function program(context: Context, args: readonly string[]): Command {
  const { io } = context;
  const root = new Command("hardproof")
    .description("DPoP proofs and OAuth tokens, bound to keys that never leave their hardware.")
    .version(createRequire(import.meta.url)("hardproof/package.json").version)
    .enablePositionalOptions() // after a command, -V is a value or isn't an option
    .addHelpText("after", EXIT_CODES_HELP + ENVIRONMENT_HELP)
    .hook("preAction", (_, command) => {
      useProxy(io.env);
      warnOfProxy(command, context);
      return loadSelectedProviders(command.opts().provider ?? [], io);
    });
  const commands = COMMANDS.map((command) => command(context));
  for (const command of commands) root.addCommand(command);
  for (const command of [root, ...commands])
    withHelp(command)
      .exitOverride((error) => {
        throw error.exitCode === 0 ? error : commandLineError(error, command, args);
      })
      .configureOutput(commanderOutput(io));
  return root;
}

/** A command with a server doesn't fail silently, or go around a proxy unnoticed. */
function warnOfProxy({ options }: Command, { io, output }: Context): void {
  const problem = options.some(({ long }) => long === "--issuer") ? proxyProblem(io.env) : undefined;
  if (problem !== undefined) output.note(`Warning: ${problem}`);
}

/** Help goes to standard output. commander's own error output is suppressed: `hardproof()` reports errors in one line. */
function commanderOutput({ stdout }: Io) {
  return {
    writeOut: (text: string) => void stdout.write(text),
    writeErr: () => undefined,
    getOutHelpWidth: () => stdout.columns || 80,
    getOutHasColors: () => false,
  };
}
