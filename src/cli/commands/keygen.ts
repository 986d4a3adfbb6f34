/** `hardproof keygen`: creates a key inside its store. */
import type { Command } from "commander";
import { ALGORITHM_NAMES, type AlgorithmName, createKey } from "../../index.js";
import { type Context, newCommand, oneOf } from "../context.js";
import { UsageError } from "../exit-codes.js";
import { keyUri } from "../key-uri.js";
import { pinSourceHint } from "../pin-source-hint.js";
import { type RequireOption, withRequireOption } from "../require-option.js";
import { type TimeoutOption, withTimeoutOption } from "../timeout-option.js";

const ALGORITHM_HELP = `what the key signs with: ${ALGORITHM_NAMES.join(", ")} (default: ES256, which every store has)`;

interface KeygenOptions extends RequireOption, TimeoutOption {
  alg?: AlgorithmName;
}

/** Returns the command `keygen`. */
export function keygen({ io, output, secrets }: Context): Command {
  const command = newCommand("keygen", "create a key in its store, non-exportable if the store supports that")
    .argument("[uri]", "URI of the new key, which must not exist yet (or HARDPROOF_KEY)")
    .option("--alg <algorithm>", ALGORITHM_HELP, oneOf("--alg", ALGORITHM_NAMES));
  return withTimeoutOption(withRequireOption(command), "store").action(
    async (argument: string | undefined, { alg: algorithm, require, timeout }: KeygenOptions) => {
      const newUri = keyUri(argument, io);
      checkUri(newUri, algorithm);
      await using signer = await secrets.with(newUri, (secret) =>
        createKey(newUri, { algorithm, require, timeout, signal: io.signal, ...secret }),
      );
      const { uri, alg, jkt, protection, exportable } = await signer.describe({ signal: io.signal });
      output.document({ uri, alg, jkt, protection, exportable });
      output.line(uri);
      output.note(`algorithm  ${alg}`);
      output.note(`thumbprint ${jkt}`);
      output.note(`protection ${protection}, exportable: ${String(exportable)}`);
      const hint = pinSourceHint(newUri, uri);
      if (hint !== undefined) output.note(hint);
    },
  );
}

/** A key in memory would be lost. The URI would take precedence over the option, and a value that isn't a name isn't printed. */
function checkUri(uri: string, algorithm: AlgorithmName | undefined): void {
  const inUri = new URLSearchParams(uri.split("?")[1]).get("algorithm");
  if (algorithm !== undefined && inUri !== null && inUri !== algorithm) {
    const value = ALGORITHM_NAMES.find((name) => name === inUri) ?? "another value";
    throw new UsageError(`--alg is ${algorithm}, but the URI's attribute algorithm is ${value}. Use only one of them.`);
  }
  if (!uri.startsWith("memory:")) return;
  const remedy = "Create one that stays, such as file:///path/to/key.pem.";
  throw new UsageError(`A key in memory: ends with this command. ${remedy}`);
}
