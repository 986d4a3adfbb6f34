/** The options by which an access token is handed to a command. */
import type { Command } from "commander";
import { UsageError } from "./exit-codes.js";
import type { World } from "./io.js";
import { readSecret } from "./secrets.js";

export interface TokenOptions {
  token?: "-";
  tokenEnv?: string;
  tokenFile?: string;
}

export function withTokenOptions(command: Command): Command {
  return command
    .option("--token <->", "read the access token from standard input: --token -", standardInput)
    .option("--token-env <name>", "read it from this environment variable")
    .option("--token-file <path>", "read it from this file");
}

export function readToken({ token, tokenEnv, tokenFile }: TokenOptions, world: World): Promise<string | undefined> {
  const given = [token, tokenEnv, tokenFile].filter((each) => each !== undefined);
  if (given.length > 1) throw new UsageError("Give one of --token -, --token-env and --token-file.");
  return readSecret({ name: "The token", stdin: token !== undefined, env: tokenEnv, file: tokenFile }, world);
}

function standardInput(value: string): "-" {
  if (value === "-") return "-";
  throw new UsageError("--token takes only - (standard input): a token among the arguments could be read by others.");
}
