/** `hardproof keys`: lists the URIs of a store's keys that can sign. */
import type { Command } from "commander";
import { listKeys } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { keyUri } from "../key-uri.js";
import { type TimeoutOption, withTimeoutOption } from "../timeout-option.js";
import type { SecretOption } from "../typed-secrets.js";

/** Returns the command `keys`. */
export function keys({ io, output, secrets }: Context): Command {
  const command = newCommand("keys", "list the URIs of a store's keys that can sign").argument(
    "[uri]",
    "URI of the store; more attributes narrow the search (or HARDPROOF_KEY)",
  );
  return withTimeoutOption(command, "store").action(
    async (argument: string | undefined, { timeout }: TimeoutOption) => {
      const store = keyUri(argument, io);
      const list = (secret: SecretOption) => listKeys(store, { timeout, signal: io.signal, ...secret });
      const uris = (await secrets.with(store, list)).sort();
      output.document({ keys: uris });
      for (const uri of uris) output.line(uri);
      if (uris.length === 0) output.note("No key was found that can sign.");
    },
  );
}
