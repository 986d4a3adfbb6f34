/** The command `hardproof`: parses the command line, runs one command and reports its error in one line. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { cliError } from "./cli-error.js";
import { bench } from "./commands/bench.js";
import { csr } from "./commands/csr.js";
import { demo } from "./commands/demo.js";
import { doctor } from "./commands/doctor.js";
import { fetchCommand } from "./commands/fetch.js";
import { introspect } from "./commands/introspect.js";
import { keygen } from "./commands/keygen.js";
import { keys } from "./commands/keys.js";
import { proof } from "./commands/proof.js";
import { register } from "./commands/register.js";
import { revoke } from "./commands/revoke.js";
import { show } from "./commands/show.js";
import { token } from "./commands/token.js";
import { verify } from "./commands/verify.js";
import type { Context } from "./context.js";
import { EXIT, EXIT_CODES_HELP } from "./exit-codes.js";
import type { Io } from "./io.js";
import { loadSelectedProviders } from "./key-uri.js";
import { Output } from "./output.js";
import { noteWaiting } from "./waiting-notes.js";

const COMMANDS = [
  keygen,
  keys,
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
];

const ENVIRONMENT_HELP = `
Environment:
  HARDPROOF_KEY                   default URI of the key
  HARDPROOF_PROVIDERS             packages with third-party key stores
  HARDPROOF_CLIENT_ID             OAuth client ID
  HARDPROOF_CLIENT_SECRET         OAuth client secret
  HARDPROOF_REFRESH_TOKEN         refresh token, for --grant refresh_token
  HARDPROOF_SUBJECT_TOKEN         token to exchange, for --grant token_exchange
  HARDPROOF_ACTOR_TOKEN           token of the party that acts, for --grant token_exchange
  HARDPROOF_INITIAL_ACCESS_TOKEN  token that allows a registration, for register
  BROWSER                         program that opens the URL of a login, for --grant authorization_code
  XDG_STATE_HOME                  where nonces are kept between runs (default: ~/.local/state)
  NO_COLOR, FORCE_COLOR           turn colour off, or on without a terminal
`;

/**
 * Runs the command.
 *
 * @param args - The command line without the names of node and the program.
 * @returns The exit code.
 */
export async function hardproof(args: readonly string[], io: Io): Promise<number> {
  const context: Context = { io, output: new Output(io, hasJsonOption(args)), exitCode: EXIT.ok };
  const endNotes = noteWaiting(context.output);
  try {
    await program(context).parseAsync(args, { from: "user" });
    io.signal.throwIfAborted();
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok; // --help, --version
    const { message, details, exitCode } = cliError(error, args, io.signal);
    context.output.error(message, details);
    return exitCode;
  } finally {
    endNotes();
    context.output.end();
  }
}

function program(context: Context): Command {
  const { io } = context;
  const root = new Command("hardproof")
    .description("DPoP proofs and OAuth tokens, bound to keys that never leave their hardware.")
    .version(createRequire(import.meta.url)("hardproof/package.json").version)
    .addHelpText("after", EXIT_CODES_HELP + ENVIRONMENT_HELP)
    .hook("preAction", (_, command) => loadSelectedProviders(command.opts().provider ?? [], io));
  const commands = COMMANDS.map((command) => command(context));
  for (const command of commands) root.addCommand(command);
  for (const command of [root, ...commands])
    command.exitOverride().configureOutput(commanderOutput(io)).configureHelp({ minWidthToWrap: 20 });
  return root;
}

/**
 * Help goes to standard output. commander's own error output is suppressed: `hardproof()` reports errors in one line.
 */
function commanderOutput({ stdout }: Io) {
  return {
    writeOut: (text: string) => void stdout.write(text),
    writeErr: () => undefined,
    getOutHelpWidth: () => stdout.columns ?? 80,
    getOutHasColors: () => false,
  };
}

/** Looks for `--json` before the command line is parsed, so that a parse error is also a JSON document. */
function hasJsonOption(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).includes("--json");
}
