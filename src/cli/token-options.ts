/** The options from which a command reads a token. */
import type { Command } from "commander";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import { readSecret } from "./secrets.js";

/** The values of the options that {@link withTokenOptions} adds. */
export interface TokenOptions {
  token?: "-";
  tokenEnv?: string;
  tokenFile?: string;
}

/**
 * Adds the options that read a token to a command.
 *
 * @param name - What the token is called in the help.
 */
export function withTokenOptions(command: Command, name = "access token"): Command {
  return command
    .option("--token <->", `read the ${name} from standard input: --token -`, standardInput)
    .option("--token-env <name>", `read the ${name} from this environment variable`)
    .option("--token-file <path>", `read the ${name} from this file`);
}

/** Reads the token from the source that the options select. Returns `undefined` if they select none. */
export function readToken(
  { token, tokenEnv, tokenFile }: TokenOptions,
  io: Io,
  name = "The access token",
): Promise<string | undefined> {
  const sources = [token, tokenEnv, tokenFile].filter((source) => source !== undefined);
  if (sources.length > 1) throw new UsageError("Use only one of --token -, --token-env and --token-file.");
  return readSecret({ name, stdin: token !== undefined, env: tokenEnv, file: tokenFile }, io);
}

function standardInput(value: string): "-" {
  if (value === "-") return "-";
  throw new UsageError("--token takes only - (standard input): other users can read the arguments of a process.");
}
