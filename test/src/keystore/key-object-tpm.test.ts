/** The conformance kit over keys in a TPM that Node opens by OpenSSL's provider tpm2-openssl, in a process with its configuration. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { conformance } from "hardproof/conformance";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { noStore } from "../../node-keys.js";
import type { CaseResult } from "../../processes/key-object-kit.js";
import { type Tpm2OpenSsl, tpm2OpenSsl } from "../../tokens/index.js";

const missing = inject("unavailable")["tpm2-openssl"];
const skipped = noStore ?? missing;
const program = fileURLToPath(new URL("../../processes/key-object-kit.ts", import.meta.url));

describe.skipIf(skipped)(`the conformance kit over a key of tpm2-openssl${skipped ? ` (${skipped})` : ""}`, () => {
  let tpm: Tpm2OpenSsl;
  let results: CaseResult[];
  beforeAll(async () => {
    tpm = await tpm2OpenSsl();
    const key = await tpm.generateKey("EC:P-256");
    const args = [
      "--expose-gc",
      `--openssl-config=${tpm.configuration}`,
      "--import",
      "tsx",
      program,
      "ES256",
      key.href,
    ];
    const env = { ...process.env, ...tpm.env };
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    results = JSON.parse(stdout);
    // The TPM also hashes the messages and verifies the signatures.
  }, 240_000);
  afterAll(() => tpm?.close());

  const cases = conformance({ open: () => MemorySigner.generate(), signatures: 20 });
  for (const { name } of cases)
    it(name, (test) => {
      const result = results.find((other) => other.name === name) ?? expect.unreachable("It didn't run.");
      expect(result.failure).toBeUndefined();
      if (result.notApplicable) test.skip(result.notApplicable);
    });
});
