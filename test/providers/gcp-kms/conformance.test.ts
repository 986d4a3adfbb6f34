/** The conformance kit for GcpKmsSigner, with keys in the Cloud KMS emulator. */
import { conformance } from "hardproof/conformance";
import { GcpKmsSigner, type GcpKmsSignerOptions } from "hardproof/gcp-kms";
import { afterAll, afterEach, describe, it } from "vitest";
import { gcpKms } from "../../emulators/gcp-kms.js";
import type { KeyOptions } from "../../emulators/gcp-kms-store.js";

const kms = await gcpKms();
const versionOf = (options: KeyOptions) => `${kms.store.addKey(options).fields.name}/cryptoKeyVersions/1`;
const name = versionOf({ id: "dpop" });
const p384 = versionOf({ id: "p384", algorithm: "EC_SIGN_P384_SHA384" });
afterEach(() => kms.plan.always("AsymmetricSign", undefined));
afterAll(() => kms.close());

const open = (versionName = name, options: GcpKmsSignerOptions = {}) =>
  new GcpKmsSigner(versionName, { endpoint: kms.endpoint, ...options });

describe("the conformance kit", () => {
  const cases = conformance({
    open: () => open(),
    secrets: "The emulator doesn't need credentials.",
    connections: () => kms.plan.count("GetPublicKey"),
    wrongKey: { open: () => open(p384), found: "P384" },
    failsFirst: () => {
      kms.plan.next("GetPublicKey", "denied");
      return open();
    },
    hanging: (options) => {
      kms.plan.always("AsymmetricSign", "hang");
      return open(name, options);
    },
    signatures: 200,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
