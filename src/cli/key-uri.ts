/** Selects the key, and loads the third-party providers that the user named. */
import { loadProviders } from "../index.js";
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";

/**
 * Selects the URI of the command's key.
 *
 * @param uri - The URI from the command line.
 * @returns The URI from the command line, or else from `HARDPROOF_KEY`.
 * @throws {UsageError} If neither is set.
 */
export function keyUri(uri: string | undefined, { env }: Io): string {
  const selected = uri ?? env.HARDPROOF_KEY;
  if (selected) return selected;
  throw new UsageError("Pass the key's URI, or set HARDPROOF_KEY.");
}

/**
 * Selects the URIs of the command's key and of its replicas.
 *
 * @param argument - The URI that isn't an option, for a command that accepts one.
 * @param options - The values of `--key`.
 * @returns One URI or more. Without any on the command line, the one in `HARDPROOF_KEY`.
 * @throws {UsageError} If there is none, or if both forms are used.
 */
export function keyUris(argument: string | undefined, options: readonly string[] | undefined, io: Io): string[] {
  if (options === undefined) return [keyUri(argument, io)];
  if (argument === undefined) return options.map((uri) => keyUri(uri, io));
  throw new UsageError("Pass the key's URI either as an argument or with --key.");
}

/** Loads the packages of `--provider` and of `HARDPROOF_PROVIDERS`, which are separated by spaces or commas. */
export async function loadSelectedProviders(options: readonly string[], { env }: Io): Promise<void> {
  const configured = (env.HARDPROOF_PROVIDERS ?? "").split(/[\s,]+/).filter(Boolean);
  await loadProviders([...new Set([...configured, ...options])]);
}
