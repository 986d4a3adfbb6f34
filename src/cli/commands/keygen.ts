/** `hardproof keygen`: creates a key inside its store. */
import type { Command } from "commander";
import { createKey } from "../../index.js";
import { type Context, newCommand } from "../context.js";
import { keyUri } from "../key-uri.js";

/** Returns the command `keygen`. */
export function keygen({ io, output }: Context): Command {
  return newCommand("keygen", "create a P-256 key in its store, non-exportable if the store supports that")
    .argument("[uri]", "URI of the new key, which must not exist yet (or HARDPROOF_KEY)")
    .action(async (argument: string | undefined) => {
      await using signer = await createKey(keyUri(argument, io), { signal: io.signal });
      const { uri, jkt, protection, exportable } = await signer.describe({ signal: io.signal });
      output.document({ uri, jkt, protection, exportable });
      output.line(uri);
      output.note(`thumbprint ${jkt}`);
      output.note(`protection ${protection}, exportable: ${String(exportable)}`);
    });
}
