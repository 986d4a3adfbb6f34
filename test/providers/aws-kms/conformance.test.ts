/** The conformance kit for KmsSigner, with a key for each algorithm in the AWS KMS emulator. */
import type { KeySpec } from "@aws-sdk/client-kms";
import type { KeySignerOptions } from "hardproof";
import { KmsSigner, provider } from "hardproof/aws-kms";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { awsKmsEmulator, type KmsKey } from "../../../testing/emulators/aws-kms.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { USABLE } from "./algorithms.js";

const kms = await awsKmsEmulator();
const { endpoint, credentials } = kms;
afterEach(() => kms.plan.always("Sign", undefined));
afterAll(() => kms.close());

const rsa = kms.keys.add({ spec: "RSA_2048" });

describe.each(testedAlgorithms("aws-kms"))("the conformance kit, for %s", (algorithm) => {
  const [, spec] = USABLE.find(([alg]) => alg === algorithm) ?? expect.unreachable(`no row for ${algorithm}`);
  const key = spec.startsWith("RSA") ? rsa : kms.keys.add({ spec });
  const wrong: KeySpec = spec === "ECC_NIST_P384" ? "ECC_NIST_P521" : "ECC_NIST_P384";
  // Each signer gets the public key itself: that of an alias isn't cached.
  const open = (options: KeySignerOptions = {}, named: KmsKey = key) => {
    const clientConfig = { endpoint, credentials, maxAttempts: 1 };
    return new KmsSigner(kms.keys.alias(`alias/${named.id}`, named), { clientConfig, algorithm, ...options });
  };
  const cases = conformance({
    open,
    connections: () => kms.plan.count("GetPublicKey"),
    secrets: [credentials.secretAccessKey, credentials.sessionToken],
    wrongKey: { open: () => open({}, kms.keys.add({ spec: wrong })), found: wrong },
    failsFirst: () => {
      kms.plan.next("GetPublicKey", "5xx");
      return open();
    },
    deleted: async () => {
      const doomed = kms.keys.add({ spec });
      await provider.delete?.(`awskms:///${doomed.arn}`, { clientConfig: { endpoint, credentials, maxAttempts: 1 } });
      return open({}, doomed);
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
