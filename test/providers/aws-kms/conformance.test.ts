/** The conformance kit for KmsSigner, with a key for each algorithm in the AWS KMS emulator. */
import type { KeySpec } from "@aws-sdk/client-kms";
import type { AlgorithmName, KeySignerOptions } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, describe, it } from "vitest";
import { awsKms, type KmsKey } from "../../emulators/aws-kms.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

const kms = await awsKms();
const { endpoint, credentials } = kms;
afterEach(() => kms.plan.always("Sign", undefined));
afterAll(() => kms.close());

const RSA = kms.keys.add({ spec: "RSA_2048" });
const SPECS: Partial<Record<AlgorithmName, KeySpec>> = {
  ES256: "ECC_NIST_P256",
  ES384: "ECC_NIST_P384",
  ES512: "ECC_NIST_P521",
  Ed25519: "ECC_NIST_EDWARDS25519",
  "ML-DSA-44": "ML_DSA_44",
  "ML-DSA-65": "ML_DSA_65",
  "ML-DSA-87": "ML_DSA_87",
};

describe.each(testedAlgorithms("aws-kms"))("the conformance kit, for %s", (algorithm) => {
  const spec = SPECS[algorithm];
  const key = spec === undefined ? RSA : kms.keys.add({ spec });
  const wrong: KeySpec = spec === "ECC_NIST_P384" ? "ECC_NIST_P521" : "ECC_NIST_P384";
  const open = (options: KeySignerOptions = {}, { arn }: KmsKey = key) =>
    new KmsSigner(arn, { clientConfig: { endpoint, credentials, maxAttempts: 1 }, algorithm, ...options });
  const cases = conformance({
    open,
    connections: () => kms.plan.count("GetPublicKey"),
    secrets: [credentials.secretAccessKey, credentials.sessionToken],
    wrongKey: { open: () => open({}, kms.keys.add({ spec: wrong })), found: wrong },
    failsFirst: () => {
      kms.plan.next("GetPublicKey", "5xx");
      return open();
    },
    hanging: (options) => {
      kms.plan.always("Sign", "hang");
      return open(options);
    },
    signatures: algorithm === "ES256" ? 200 : 30,
    ...(algorithm === "Ed25519" && { minMessageBytes: 1, maxMessageBytes: 4096 }),
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
