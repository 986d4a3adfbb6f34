/** The provider for `memory:` URIs. Opens, creates and diagnoses keys. */
import type { Finding } from "../../src/keystore/finding.js";
import type { Provider } from "../../src/keystore/provider.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { readAttributes, splitUri } from "../../src/keystore/uri.js";
import { type MemoryKeyOptions, MemorySigner } from "./signer.js";

/** Keys in this process's memory: each `memory:` that is opened is a new key. */
export const provider: Provider<MemoryKeyOptions> = {
  scheme: "memory",
  open: generate,
  create: async (uri, options) => generate(uri, options),
  factsOfNewKey: async () => ({ protection: "software", exportable: true, evidence: {} }),
  async delete() {
    throw misconfigured("memory: There is nothing to delete: a key in memory is lost when its process ends.");
  },
  diagnose,
};

async function* diagnose(): AsyncGenerator<Finding> {
  yield {
    check: "store",
    ok: null,
    found: "this process's memory: the key is new each time, and lost when the process ends",
    remedy: "Use memory: for tests only. For a key that stays, choose a file, a token or a KMS.",
  };
}

function generate(uri: string, options: MemoryKeyOptions = {}): MemorySigner {
  const { path, query, fail } = splitUri(uri, "memory");
  if (path.text !== "") throw fail("Nothing may follow the scheme", path.at);
  const algorithm = readAttributes(query, "&", ["algorithm"], fail).algorithm() ?? options.algorithm;
  return MemorySigner.generate({ ...options, algorithm });
}
