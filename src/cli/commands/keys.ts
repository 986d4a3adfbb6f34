/** `hardproof keys`: the keys of a store that can sign. */
import type { Command } from "commander";
import { listKeys } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { keyUri } from "../key-uri.js";

export function keys({ world, output }: Context): Command {
  return newCommand("keys", "list the keys that can sign ES256, by their URIs")
    .argument("[uri]", "the store, or as much of a key's URI as narrows the search")
    .action(async (given: string | undefined) => {
      const uris = (await listKeys(keyUri(given, world), { signal: world.signal })).sort();
      output.document({ keys: uris });
      for (const uri of uris) output.line(uri);
      if (uris.length === 0) output.note("There is no key that can sign ES256.");
    });
}
