/** `--grant refresh_token`: refreshes a token (RFC 6749 §6). */
import type { Command } from "commander";
import type { Token } from "../../index.js";
import { UsageError } from "../exit-codes.js";
import { readTokenSecret } from "../token-secret.js";
import type { GrantCall } from "./grant-call.js";
import { withOwnOptions } from "./own-options.js";

/** The value of the option that {@link withRefreshOptions} adds: the path of a file. */
export interface RefreshOptions {
  refreshTokenFile?: string;
}

/** Adds the option `--refresh-token-file` to a command. */
export function withRefreshOptions(command: Command): Command {
  const description = "file with the refresh token, - for stdin (or HARDPROOF_REFRESH_TOKEN)";
  return withOwnOptions(command, "refresh_token", (own) => own.option("--refresh-token-file <path>", description));
}

/**
 * Refreshes the token.
 *
 * @throws {UsageError} If there is no refresh token.
 */
export async function refreshToken({ client, request, context }: GrantCall, options: RefreshOptions): Promise<Token> {
  const source = {
    fileOption: "--refresh-token-file",
    file: options.refreshTokenFile,
    defaultEnv: "HARDPROOF_REFRESH_TOKEN",
  };
  const refreshToken = await readTokenSecret({ name: "The refresh token", ...source }, context.io);
  if (refreshToken !== undefined) return client.refresh({ ...request, refreshToken });
  throw new UsageError("Pass the refresh token with --refresh-token-file, or set HARDPROOF_REFRESH_TOKEN.");
}
