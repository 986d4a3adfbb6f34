/** The conformance kit for GcpKmsSigner with each JWS algorithm, with keys in the Cloud KMS emulator. */
import { conformance } from "hardproof/conformance";
import { GcpKmsSigner, type GcpKmsSignerOptions, provider } from "hardproof/gcp-kms";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { gcpKmsEmulator } from "../../../testing/emulators/gcp-kms.js";
import type { KeyOptions } from "../../../testing/emulators/gcp-kms-store.js";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { ONE_OF_EACH, SIGNS_DATA } from "./algorithms.js";

const kms = await gcpKmsEmulator();
const versionOf = (options: KeyOptions) => `${kms.store.addKey(options).fields.name}/cryptoKeyVersions/1`;
const secp256k1 = versionOf({ algorithm: "EC_SIGN_SECP256K1_SHA256" });
afterEach(() => kms.plan.always("AsymmetricSign", undefined));
afterAll(() => kms.close());

const open = (name: string, options: GcpKmsSignerOptions = {}) =>
  new GcpKmsSigner(name, { endpoint: kms.endpoint, ...options });

describe.each(testedAlgorithms("gcp-kms"))("the conformance kit, for %s", (alg) => {
  const [algorithm] = ONE_OF_EACH.find((row) => row[1] === alg) ?? expect.unreachable(`no row for ${alg}`);
  /** A new version each time, since the public key of a version is fetched once for all signers. */
  const newVersion = () => versionOf({ algorithm });
  const signsData = SIGNS_DATA.some((row) => row[1] === alg);
  const cases = conformance({
    open: () => open(newVersion()),
    secrets: "The emulator doesn't need credentials.",
    connections: () => kms.plan.count("GetPublicKey"),
    wrongKey: { open: () => open(secp256k1), found: "SECP256K1" },
    failsFirst: () => {
      kms.plan.next("GetPublicKey", "denied");
      return open(newVersion());
    },
    deleted: async () => {
      const doomed = newVersion();
      await provider.delete(`gcpkms://${doomed}`, { endpoint: kms.endpoint });
      return open(doomed);
    },
    hanging: (options) => {
      kms.plan.always("AsymmetricSign", "hang");
      return open(newVersion(), options);
    },
    signatures: 100,
    ...(signsData && { minMessageBytes: 1, maxMessageBytes: 65_536 }),
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
