/** `hardproof keygen`: a new key, made inside its store. */
import type { Command } from "commander";
import { createKey } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { keyUri } from "../key-uri.js";

export function keygen({ world, output }: Context): Command {
  return newCommand("keygen", "make a P-256 key in its store, non-exportable where the store can do that")
    .argument("[uri]", "the key to make; it must not be there yet")
    .action(async (given: string | undefined) => {
      await using signer = await createKey(keyUri(given, world), { signal: world.signal });
      const { uri, jkt, protection, exportable } = await signer.describe({ signal: world.signal });
      output.document({ uri, jkt, protection, exportable });
      output.line(uri);
      output.note(`thumbprint ${jkt}`);
      output.note(`lives in ${protection}; can leave: ${String(exportable)}`);
    });
}
