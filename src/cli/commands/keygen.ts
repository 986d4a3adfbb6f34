/** `hardproof keygen`: creates a key inside its store. */
import type { Command } from "commander";
import { ALGORITHM_NAMES, type AlgorithmName, createKey } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { keyUri } from "../key-uri.js";

const ALGORITHM_HELP = `what the key signs with: ${ALGORITHM_NAMES.join(", ")} (default: ES256, which every store has)`;

/** Returns the command `keygen`. */
export function keygen({ io, output }: Context): Command {
  return newCommand("keygen", "create a key in its store, non-exportable if the store supports that")
    .argument("[uri]", "URI of the new key, which must not exist yet (or HARDPROOF_KEY)")
    .option("--alg <algorithm>", ALGORITHM_HELP, oneOf("--alg", ALGORITHM_NAMES))
    .action(async (argument: string | undefined, { alg: algorithm }: { alg?: AlgorithmName }) => {
      await using signer = await createKey(keyUri(argument, io), { algorithm, signal: io.signal });
      const { uri, alg, jkt, protection, exportable } = await signer.describe({ signal: io.signal });
      output.document({ uri, alg, jkt, protection, exportable });
      output.line(uri);
      output.note(`algorithm  ${alg}`);
      output.note(`thumbprint ${jkt}`);
      output.note(`protection ${protection}, exportable: ${String(exportable)}`);
    });
}
