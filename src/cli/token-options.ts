/** The options from which a command reads an access token. */
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

/** Adds the options that read an access token to a command. */
export function withTokenOptions(command: Command): Command {
  return command
    .option("--token <->", "read the access token from standard input: --token -", standardInput)
    .option("--token-env <name>", "read the access token from this environment variable")
    .option("--token-file <path>", "read the access token from this file");
}

/** Reads the access token from the source that the options select. Returns `undefined` if they select none. */
export function readToken({ token, tokenEnv, tokenFile }: TokenOptions, io: Io): Promise<string | undefined> {
  const sources = [token, tokenEnv, tokenFile].filter((source) => source !== undefined);
  if (sources.length > 1) throw new UsageError("Use only one of --token -, --token-env and --token-file.");
  return readSecret({ name: "The access token", stdin: token !== undefined, env: tokenEnv, file: tokenFile }, io);
}

function standardInput(value: string): "-" {
  if (value === "-") return "-";
  throw new UsageError("--token takes only - (standard input): other users can read the arguments of a process.");
}
