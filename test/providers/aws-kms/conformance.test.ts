/** The conformance kit for KmsSigner, with a key in the AWS KMS emulator. */
import type { KeySignerOptions } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { conformance } from "hardproof/conformance";
import { afterAll, afterEach, describe, it } from "vitest";
import { awsKms } from "../../emulators/aws-kms.js";

const kms = await awsKms();
const { endpoint, credentials } = kms;
const [key, p384] = [kms.keys.add(), kms.keys.add({ spec: "ECC_NIST_P384" })];
afterEach(() => kms.plan.always("Sign", undefined));
afterAll(() => kms.close());

const open = (options: KeySignerOptions = {}, { arn } = key) =>
  new KmsSigner(arn, { clientConfig: { endpoint, credentials, maxAttempts: 1 }, algorithm: "ES256", ...options });

describe("the conformance kit", () => {
  const cases = conformance({
    open,
    connections: () => kms.plan.count("GetPublicKey"),
    secrets: [credentials.secretAccessKey, credentials.sessionToken],
    wrongKey: { open: () => open({}, p384), found: "ECC_NIST_P384" },
    failsFirst: () => {
      kms.plan.next("GetPublicKey", "5xx");
      return open();
    },
    hanging: (options) => {
      kms.plan.always("Sign", "hang");
      return open(options);
    },
    signatures: 200,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
