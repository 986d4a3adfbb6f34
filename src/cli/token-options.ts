/** The options from which a command reads a token. */
import type { Command } from "commander";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import type { SecretOptions } from "./secrets.js";
import { readAccessToken, readTokenSecret } from "./token-secret.js";

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

/** Reads the access token from the source that the options select. Returns `undefined` if they select none. */
export async function readToken(options: TokenOptions, io: Io): Promise<string | undefined> {
  return readAccessToken(sourceOf(options, "The access token"), io);
}

/** Reads a token of any type, as {@link readToken} does. */
export async function readAnyToken(options: TokenOptions, io: Io): Promise<string | undefined> {
  return readTokenSecret(sourceOf(options, "The token"), io);
}

function sourceOf({ token, tokenEnv, tokenFile }: TokenOptions, name: string): SecretOptions {
  const sources = [token, tokenEnv, tokenFile].filter((source) => source !== undefined);
  if (sources.length > 1) throw new UsageError("Use only one of --token -, --token-env and --token-file.");
  return { name, fileOption: "--token-file", stdin: token !== undefined, env: tokenEnv, file: tokenFile };
}

function standardInput(value: string): "-" {
  if (value === "-") return "-";
  throw new UsageError("--token takes only - (standard input): other users can read the arguments of a process.");
}
