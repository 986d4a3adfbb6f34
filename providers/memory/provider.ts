/** The provider for `memory:` URIs. Opens and creates keys. */
import type { Provider } from "../../src/keystore/provider.js";
import { readAttributes, splitUri } from "../../src/keystore/uri.js";
import { type MemoryKeyOptions, MemorySigner } from "./signer.js";

/** Keys in this process's memory: each `memory:` that is opened is a new key. */
export const provider: Provider<MemoryKeyOptions> = {
  scheme: "memory",
  open: generate,
  create: async (uri, options) => generate(uri, options),
};

function generate(uri: string, options: MemoryKeyOptions = {}): MemorySigner {
  const { path, query, fail } = splitUri(uri, "memory");
  if (path.text !== "") throw fail("Nothing may follow the scheme", path.at);
  const algorithm = readAttributes(query, "&", ["algorithm"], fail).algorithm() ?? options.algorithm;
  return MemorySigner.generate({ ...options, algorithm });
}
