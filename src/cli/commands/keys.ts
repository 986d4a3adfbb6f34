/** `hardproof keys`: lists the URIs of a store's keys that can sign. */
import type { Command } from "commander";
import { listKeys } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { keyUri } from "../key-uri.js";

/** Returns the command `keys`. */
export function keys({ io, output }: Context): Command {
  return newCommand("keys", "list the URIs of a store's keys that can sign")
    .argument("[uri]", "URI of the store; more attributes narrow the search (or HARDPROOF_KEY)")
    .action(async (argument: string | undefined) => {
      const uris = (await listKeys(keyUri(argument, io), { signal: io.signal })).sort();
      output.document({ keys: uris });
      for (const uri of uris) output.line(uri);
      if (uris.length === 0) output.note("No key was found that can sign.");
    });
}
