/** The command `hardproof`: reads the command line, runs one command, and says in one line why it could not. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { failureOf } from "./cli-error.js";
import { bench } from "./commands/bench.js";
import { demo } from "./commands/demo.js";
import { doctor } from "./commands/doctor.js";
import { fetchCommand } from "./commands/fetch.js";
import { keygen } from "./commands/keygen.js";
import { keys } from "./commands/keys.js";
import { proof } from "./commands/proof.js";
import { show } from "./commands/show.js";
import { token } from "./commands/token.js";
import { verify } from "./commands/verify.js";
import type { Context } from "./context.js";
import { EXIT, EXIT_CODES_HELP } from "./exit-codes.js";
import type { World } from "./io.js";
import { loadNamedProviders } from "./key-uri.js";
import { Output } from "./output.js";

const COMMANDS = [keygen, keys, show, proof, verify, token, fetchCommand, doctor, bench, demo];

const ENVIRONMENT_HELP = `
Environment:
  HARDPROOF_KEY            the key's URI, where none is given
  HARDPROOF_PROVIDERS      packages of further key stores
  HARDPROOF_CLIENT_ID      the OAuth client
  HARDPROOF_CLIENT_SECRET  its secret
  HARDPROOF_REFRESH_TOKEN  for --grant refresh_token
  NO_COLOR, FORCE_COLOR    no colour; colour without a terminal too
`;

/**
 * @param args - without the names of node and of the program
 * @returns the exit code
 */
export async function hardproof(args: readonly string[], world: World): Promise<number> {
  const context: Context = { world, output: new Output(world, asksForJson(args)), exitCode: EXIT.ok };
  try {
    await program(context).parseAsync(args, { from: "user" });
    world.signal.throwIfAborted();
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok; // --help, --version
    const { message, details, exitCode } = failureOf(error, args, world.signal);
    context.output.error(message, details);
    return exitCode;
  } finally {
    context.output.end();
  }
}

function program(context: Context): Command {
  const { world } = context;
  const root = new Command("hardproof")
    .description("DPoP proofs and OAuth tokens, bound to keys that never leave their hardware.")
    .version(createRequire(import.meta.url)("hardproof/package.json").version)
    .addHelpText("after", EXIT_CODES_HELP + ENVIRONMENT_HELP)
    .hook("preAction", (_, command) => loadNamedProviders(command.opts().provider ?? [], world));
  const commands = COMMANDS.map((command) => command(context));
  for (const command of commands) root.addCommand(command);
  for (const command of [root, ...commands])
    command.exitOverride().configureOutput(writingTo(world)).configureHelp({ minWidthToWrap: 20 });
  return root;
}

/** Help is a result. Errors are told by us, in one line. */
function writingTo({ stdout }: World) {
  return {
    writeOut: (text: string) => void stdout.write(text),
    writeErr: () => undefined,
    getOutHelpWidth: () => stdout.columns ?? 80,
    getOutHasColors: () => false,
  };
}

/** Known before the command line is read, so that errors in it are documents too. */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end).includes("--json");
}
