/** Random faults at random calls: each proof is made or fails with `unavailable`, the signer recovers, and no session leaks. */
import fc from "fast-check";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type FaultyPkcs11, faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";

let hsm: SoftHsm;
let shim: FaultyPkcs11;
beforeAll(async () => {
  hsm = await softHsm({ label: "any fault" });
  shim = faultyPkcs11(hsm.module);
});
afterAll(async () => {
  shim.close();
  await hsm.close();
});

const { BUFFER_TOO_SMALL: _1, SESSION_COUNT: _2, ...returnValues } = CKR;
const functions = [
  "C_Initialize",
  "C_GetSlotList",
  "C_GetTokenInfo",
  "C_OpenSession",
  "C_CloseSession",
  "C_Login",
  "C_FindObjectsInit",
  "C_FindObjects",
  "C_GetAttributeValue",
  "C_SignInit",
  "C_Sign",
] as const;
const act = fc.oneof(
  fc.record({ return: fc.constantFrom(...Object.values(returnValues)) }),
  fc.record({ after: fc.constantFrom(...Object.values(returnValues)) }),
);
const order = fc
  .record({
    on: fc.constantFrom(...functions),
    from: fc.integer({ min: 1, max: 30 }),
    times: fc.integer({ min: 1, max: 3 }),
    act,
  })
  // Excludes the faults after which a session is open that no caller can close: an error after C_OpenSession has opened it,
  // or instead of C_CloseSession.
  .filter(({ on, act }) => !("after" in act ? on === "C_OpenSession" : on === "C_CloseSession"));
// This fault occurs in every run, so that the other faults can hit the recovery.
const first = fc.record({ on: fc.constantFrom("C_Sign", "C_SignInit"), from: fc.integer({ min: 1, max: 30 }), act });

it("makes each proof or fails with unavailable, recovers, and leaks no session, whichever calls fail", {
  timeout: 120_000,
}, async () => {
  const recoversFrom = async (orders: Parameters<FaultyPkcs11["order"]>) => {
    const options = { module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin };
    await using signer = new Pkcs11Signer(options);
    const prover = await DPoPProver.create(signer);
    const makeProof = () =>
      prover.makeProof({ htm: "GET", htu: "https://a.example" }).then(
        () => "proof",
        (error) => error.code,
      );
    shim.order(...orders);
    for (const outcome of await Promise.all(Array.from({ length: 40 }, makeProof)))
      expect(["proof", "unavailable"]).toContain(outcome);
    shim.order();
    await expect.poll(makeProof, { timeout: 10_000, interval: 50 }).toBe("proof");
    expect(shim.openSessions()).toBeLessThanOrEqual(4);
    await signer.close();
    expect(shim.openSessions()).toBe(0);
  };
  const plans = fc.tuple(first, fc.array(order, { maxLength: 4 }));
  const property = fc.asyncProperty(plans, ([one, more]) => recoversFrom([...more, { times: 1, ...one }]));
  await fc.assert(property, { numRuns: 25 });
});
