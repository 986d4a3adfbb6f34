/** `replicaSigner` over two SoftHSM tokens with the same key, of which one is taken away or hangs. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { DPoPProver, replicaSigner, type SignatureTrace, type SignerError } from "hardproof";
import { jwtVerify } from "jose";
import { importJWK } from "jose/key/import";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { replicatedTokens } from "../../shim/replicated-tokens.js";

const PROOFS = 1_000;
const { hsm, a, b } = await replicatedTokens();
const shim = faultyPkcs11(hsm.module);
afterEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await hsm.close();
});

/** Makes proofs at the same time, and verifies each of them. */
async function makeProofs(prover: DPoPProver, count = PROOFS): Promise<number> {
  const make = (n: number) => prover.makeProof({ htm: "GET", htu: `https://api.example.com/${n}` });
  const proofs = await Promise.all(Array.from({ length: count }, (_, n) => make(n)));
  const key = await importJWK({ ...prover.publicJwk }, prover.alg);
  for (const [n, proof] of proofs.entries())
    if ((await jwtVerify(proof, key)).payload.htu !== `https://api.example.com/${n}`) return Number.NaN;
  return proofs.length;
}

/** Counts the signatures of each token. */
async function signaturesBy(work: () => Promise<unknown>): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const count = (message: unknown) => {
    const [, label = ""] = /token=([^;]+)/.exec((message as SignatureTrace).uri ?? "") ?? [];
    counts[label] = (counts[label] ?? 0) + 1;
  };
  subscribe("tracing:hardproof.signature:asyncEnd", count);
  await work().finally(() => unsubscribe("tracing:hardproof.signature:asyncEnd", count));
  return counts;
}

describe("one of two tokens is taken away", () => {
  it.each([
    ["the first", a, b],
    ["the second", b, a],
  ])(`${PROOFS} concurrent proofs are made: %s`, async (_, gone, other) => {
    await using signer = replicaSigner([a.newSigner(), b.newSigner()], { cooldown: 100 });
    const prover = await DPoPProver.create(signer);
    gone.takeAway();
    try {
      const counts = await signaturesBy(async () => expect(await makeProofs(prover)).toBe(PROOFS));
      expect(counts).toEqual({ [other.label]: PROOFS });
    } finally {
      gone.bringBack();
    }
  });

  it("while the proofs are made", async () => {
    await using signer = replicaSigner([a.newSigner(), b.newSigner()]);
    const prover = await DPoPProver.create(signer);
    const made = makeProofs(prover);
    await new Promise(setImmediate);
    a.takeAway();
    try {
      expect(await made).toBe(PROOFS);
    } finally {
      a.bringBack();
    }
  });
});

it("a token that hangs, in a process of its own, delays each proof by the hedge", async () => {
  const hanging = a.newSigner({ module: shim.module, isolate: true });
  await using signer = replicaSigner([hanging, b.newSigner()], { hedgeAfter: 50 });
  const prover = await DPoPProver.create(signer);
  await makeProofs(prover, 10);
  shim.order({ on: "C_SignInit", act: "hang" });
  const counts = await signaturesBy(async () => expect(await makeProofs(prover, 200)).toBe(200));
  expect(counts).toEqual({ "site-b": 200 });
  shim.order();
});

it("a replica with another key is refused, and the message names both thumbprints but no PIN", async () => {
  const own = a.newSigner({ key: hsm.key.label });
  await using signer = replicaSigner([a.newSigner(), own]);
  const error: SignerError = await signer.publicJwk().then(
    () => expect.unreachable(),
    (reason) => reason,
  );
  expect(error).toMatchObject({ code: "wrong-key" });
  const thumbprints = await Promise.all([a.newSigner(), a.newSigner({ key: hsm.key.label })].map(thumbprintOf));
  for (const jkt of thumbprints) expect(error.message).toContain(jkt);
  expect(error.message).not.toContain(hsm.pin);
});

async function thumbprintOf(signer: ReturnType<typeof a.newSigner>): Promise<string> {
  const { jkt } = await signer.describe();
  await signer.close();
  return jkt;
}
