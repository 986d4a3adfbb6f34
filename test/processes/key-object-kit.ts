/**
 * Runs the conformance kit on a private key that an OpenSSL provider opens. The arguments are its algorithm and its URL.
 * Prints the results as JSON. OpenSSL is configured when a process starts, so the kit can't run in vitest's process.
 */
import { createPrivateKey } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { conformance } from "../../conformance/index.js";
import { type AlgorithmName, keyObjectSigner } from "../../src/index.js";

/** The result of one case. */
export interface CaseResult {
  readonly name: string;
  readonly failure?: string;
  readonly notApplicable?: string | undefined;
}

const [algorithm, url = ""] = process.argv.slice(2);
// The types of the oldest supported release of Node don't have the URL.
const key = createPrivateKey({ key: new URL(url) as unknown as string });
const open = () => keyObjectSigner(key, { algorithm: algorithm as AlgorithmName, concurrent: false });
const results: CaseResult[] = [];
for (const { name, run, notApplicable } of conformance({ open, signatures: 20 })) {
  const [outcome] = await Promise.allSettled([run()]);
  const failure = outcome.status === "rejected" ? { failure: String(outcome.reason) } : {};
  results.push({ name, ...failure, notApplicable });
  // The kit creates a public key for each signature, and each one occupies memory of a TPM until it is collected.
  globalThis.gc?.();
  await setImmediate();
}
console.log(JSON.stringify(results));
