/** The conformance kit over a `replicaSigner`: of two SoftHSM tokens with the same key, and of two stores with faults. */
import { KeySigner, type KeySignerOptions, type KeySource, replicaSigner, SignerError } from "hardproof";
import { conformance, type Fixture } from "hardproof/conformance";
import { afterAll, describe, it } from "vitest";
import { fixtureOf, testKey } from "../../conformance/store.js";
import { replicatedTokens } from "../../shim/replicated-tokens.js";

const { hsm, a, b } = await replicatedTokens();
await hsm.addKey({ label: "p384", id: "03", algorithm: "ES384" });
afterAll(() => hsm.close());

const optionsOf = { "without a hedge": {}, "with a hedge": { hedgeAfter: 5 } };

function runs(fixture: Fixture): void {
  for (const { name, run, notApplicable } of conformance(fixture))
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
}

describe.each(Object.entries(optionsOf))("two SoftHSM tokens, %s", (_, options) => {
  runs({
    open: () => replicaSigner([a.newSigner(), b.newSigner()], options),
    wrongKey: {
      open: () => replicaSigner([a.newSigner({ key: "p384", algorithm: "ES256" }), b.newSigner()], options),
      found: "P-384",
    },
    secrets: [hsm.pin],
    signatures: 300,
  });
});

describe.each(Object.entries(optionsOf))("two stores with faults, %s", (_, options) => {
  const pairOf = (source: KeySource, signerOptions?: KeySignerOptions) =>
    replicaSigner([new KeySigner(source, signerOptions), new KeySigner(source, signerOptions)], options);
  const key = testKey("ES256");
  const fixture = fixtureOf(pairOf, key, { signatures: 100 });
  const { connections } = fixture;
  const failsOnce = () => {
    let attempts = 0;
    const open = async () => {
      attempts += 1;
      if (attempts === 1) throw new SignerError("unavailable", "The store can't be reached.");
      return key.openKey;
    };
    return new KeySigner({ provider: "test", uri: "test:key-1", open });
  };
  runs({
    ...fixture,
    connections: () => (typeof connections === "function" ? connections() / 2 : Number.NaN), // one for each replica
    failsFirst: () => replicaSigner([failsOnce(), failsOnce()], options),
  });
});
