/** The conformance kit for AzureKeyVaultSigner with each of its algorithms, with keys in the Key Vault emulator. */
import type { KeySignerOptions, Signer } from "hardproof";
import { listKeys } from "hardproof";
import { AzureKeyVaultSigner, provider } from "hardproof/azure-kv";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { azureKeyVaultEmulator } from "../../../testing/emulators/azure-kv.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { ROWS } from "./algorithms.js";

const kv = await azureKeyVaultEmulator();
const { credential } = kv;
const vaultUri = kv.vaultUrl.replace("http:", "azurekms:");
afterEach(() => {
  kv.plan.always("sign", undefined);
  kv.plan.latency = 0;
});
afterAll(() => kv.close());

/** Runs work on a vault that takes a second for each response. */
async function slowly<S extends Signer | undefined>(
  signer: S,
  work: (signer: S) => Promise<unknown>,
): Promise<unknown> {
  kv.plan.latency = 1_000;
  return work(signer).finally(() => signer?.close());
}

let created = 0;
const newUri = () => `${vaultUri}/created-${++created}?plaintext=true`;

describe.each(testedAlgorithms("azure-kv"))("the conformance kit, for %s", (algorithm) => {
  const [, options] = ROWS.find(([alg]) => alg === algorithm) ?? expect.unreachable(`no row for ${algorithm}`);
  const key = kv.vault.add(options);
  // Without the version, each signer requests the current one. The process shares what it knows about a version.
  const open = (overrides: KeySignerOptions = {}, { name } = key) =>
    new AzureKeyVaultSigner(`${kv.vaultUrl}/keys/${name}`, { credential, algorithm, ...overrides });
  const wrong = kv.vault.add({ curve: options.curve === "P-384" ? "P-521" : "P-384" });
  const slow = {
    opening: (overrides: KeySignerOptions) => slowly(open(overrides), (signer) => signer.publicJwk()),
    describing: async (overrides: KeySignerOptions) => {
      const signer = open(overrides);
      await signer.publicJwk();
      return slowly(signer, () => signer.describe());
    },
    making: (overrides: KeySignerOptions) =>
      slowly(undefined, () => provider.create(newUri(), { credential, algorithm, ...overrides })),
    listing: (overrides: KeySignerOptions) =>
      slowly(undefined, () => listKeys(`${vaultUri}?plaintext=true`, { credential, ...overrides })),
  };
  const cases = conformance({
    open,
    connections: () => kv.plan.count("GetKey"),
    secrets: [kv.tokens.issue("https://vault.localhost").token],
    wrongKey: { open: () => open({}, wrong), found: options.curve === "P-384" ? "P-521" : "P-384" },
    failsFirst: () => {
      kv.plan.next("GetKey", "denied");
      return open({}, kv.vault.add(options));
    },
    deleted: async () => {
      const doomed = kv.vault.add(options);
      await provider.delete(`${vaultUri}/${doomed.name}?plaintext=true`, { credential });
      return open({}, doomed);
    },
    hanging: (overrides) => {
      kv.plan.always("sign", "hang");
      return open(overrides);
    },
    slow: algorithm === "ES256" ? slow : "It doesn't depend on the algorithm: ES256 shows it.",
    signatures: algorithm === "ES256" ? 200 : 30,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
