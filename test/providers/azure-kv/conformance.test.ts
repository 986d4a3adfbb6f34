/** The conformance kit for AzureKeyVaultSigner with each of its algorithms, with keys in the Key Vault emulator. */
import type { KeySignerOptions } from "hardproof";
import { AzureKeyVaultSigner } from "hardproof/azure-kv";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { azureKv } from "../../emulators/azure-kv.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { ROWS } from "./algorithms.js";

const kv = await azureKv();
const { credential } = kv;
afterEach(() => kv.plan.always("sign", undefined));
afterAll(() => kv.close());

describe.each(testedAlgorithms("azure-kv"))("the conformance kit, for %s", (algorithm) => {
  const [, options] = ROWS.find(([alg]) => alg === algorithm) ?? expect.unreachable(`no row for ${algorithm}`);
  const key = kv.vault.add(options);
  // Without the version, each signer requests the current one. The process shares what it knows about a version.
  const open = (overrides: KeySignerOptions = {}, { name } = key) =>
    new AzureKeyVaultSigner(`${kv.vaultUrl}/keys/${name}`, { credential, algorithm, ...overrides });
  const wrong = kv.vault.add({ curve: options.curve === "P-384" ? "P-521" : "P-384" });
  const cases = conformance({
    open,
    connections: () => kv.plan.count("GetKey"),
    secrets: [kv.tokens.issue("https://vault.localhost").token],
    wrongKey: { open: () => open({}, wrong), found: options.curve === "P-384" ? "P-521" : "P-384" },
    failsFirst: () => {
      kv.plan.next("GetKey", "denied");
      return open({}, kv.vault.add(options));
    },
    hanging: (overrides) => {
      kv.plan.always("sign", "hang");
      return open(overrides);
    },
    signatures: algorithm === "ES256" ? 200 : 30,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
