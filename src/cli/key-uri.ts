/** Which key is meant, and whose code may be loaded for it. */
import { loadProviders } from "../index.js";
import { UsageError } from "./exit-codes.js";
import type { World } from "./io.js";

/**
 * @param given - on the command line
 * @returns it, or else what `HARDPROOF_KEY` says
 * @throws {UsageError} if neither is there
 */
export function keyUri(given: string | undefined, { env }: World): string {
  const uri = given ?? env.HARDPROOF_KEY;
  if (uri) return uri;
  throw new UsageError("Name a key by its URI, or in HARDPROOF_KEY.");
}

/** Those of `--provider`, and those of `HARDPROOF_PROVIDERS`, which spaces or commas part. */
export async function loadNamedProviders(named: readonly string[], { env }: World): Promise<void> {
  const configured = (env.HARDPROOF_PROVIDERS ?? "").split(/[\s,]+/).filter(Boolean);
  await loadProviders([...new Set([...configured, ...named])]);
}
