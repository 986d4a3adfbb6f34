/**
 * The conformance kit for VaultSigner with each JWS algorithm, with keys in the emulator or, if HARDPROOF_TEST_VAULT_ADDR
 * is set, on that server.
 */
import { conformance } from "hardproof/conformance";
import { provider, VaultSigner, type VaultSignerOptions } from "hardproof/vault";
import { afterAll, afterEach, describe, it } from "vitest";
import { testedAlgorithms } from "../../tested-algorithms.js";
import { rowOf } from "./algorithms.js";
import { vaultTarget } from "./target.js";

const target = await vaultTarget();
const { emulator } = target;
const ec = { p256: await target.createKey("ecdsa-p256"), p384: await target.createKey("ecdsa-p384") };
afterEach(() => emulator?.plan.clear());
afterAll(() => target.close());

const NOT_HERE = "A real server doesn't fail by order.";
const open = (name: string, options: VaultSignerOptions = {}) =>
  new VaultSigner(name, { ...target.options, ...options });

describe.each(testedAlgorithms("vault"))("the conformance kit, for %s", async (algorithm) => {
  const { type, settings } = rowOf(algorithm);
  if (!target.has(type)) return it.skip(`needs a server with keys of type ${type}`);
  const name = await target.createKey(type, settings);
  const [other, found] = algorithm === "ES256" ? [ec.p384, "P-384"] : [ec.p256, "P-256"];
  const cases = conformance({
    open: () => open(name, { algorithm }),
    secrets: [target.options.token],
    connections: emulator ? () => emulator.plan.count("read") : NOT_HERE,
    wrongKey: { open: () => open(other, { algorithm }), found },
    failsFirst: emulator
      ? () => {
          emulator.plan.next("read", { status: 403, errors: ["permission denied"] });
          return open(name, { algorithm });
        }
      : NOT_HERE,
    hanging: emulator
      ? (options) => {
          emulator.plan.always("sign", "hang");
          return open(name, { algorithm, ...options });
        }
      : NOT_HERE,
    deleted: async () => {
      const doomed = await target.createKey(type, settings);
      await target.configure(doomed, { deletion_allowed: true });
      await using signer = open(doomed, { algorithm });
      await provider.delete(signer.uri, target.options);
      return open(doomed, { algorithm });
    },
    signatures: 100,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});
