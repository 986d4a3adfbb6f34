/** A library in a separate process: it can hang or crash without affecting the application. */
import { DPoPProver } from "hardproof";
import { expect, it } from "vitest";
import { faultyToken } from "../../shim/faulty-token.js";
import { CKR } from "../../shim/return-values.js";
import { codesOf, proofs } from "../many-proofs.js";

const { shim, newSigner: newSignerOf } = await faultyToken("isolated");
const newSigner = (more: Parameters<typeof newSignerOf>[0] = {}) => newSignerOf({ isolate: true, ...more });

it("signs in a separate process, and finalises the library when the last signer closes", async () => {
  const finalized = shim.count("C_Finalize");
  const [one, other] = [newSigner(), newSigner()];
  for (const signer of [one, other])
    expect(codesOf(await proofs(await DPoPProver.create(signer), 100))).toEqual(new Set(["proof"]));
  await one.close();
  expect(shim.count("C_Finalize")).toBe(finalized);
  await other.close();
  expect(shim.count("C_Finalize")).toBe(finalized + 1);
});

it("signs in a new process after the library crashed", async () => {
  await using signer = newSigner();
  const { x } = await signer.publicJwk();
  shim.order({ on: "C_Sign", times: 1, act: { crash: 11 } });
  await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("SIGSEGV"),
  });
  shim.order();
  await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  expect((await signer.publicJwk()).x).toBe(x);
});

it("recovers from lost sessions, libraries and devices in a separate process", async () => {
  await using signer = newSigner();
  const prover = await DPoPProver.create(signer);
  for (const lost of [CKR.SESSION_HANDLE_INVALID, CKR.CRYPTOKI_NOT_INITIALIZED, CKR.DEVICE_ERROR]) {
    shim.order({ on: "C_Sign", from: 20, times: 1, act: { return: lost } });
    expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
  }
});

it("close() ends the process although a call is stuck in it", async () => {
  const signer = newSigner({ timeout: 3_000 });
  await signer.publicJwk();
  shim.order({ on: "C_Sign", act: "hang" });
  await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "timeout" });
  await signer.close();
  shim.order();
  await using next = newSigner();
  await expect(next.sign(Buffer.from("x"))).resolves.toHaveLength(64);
});

it("doesn't try a wrong PIN again in a new process", async () => {
  const logins = shim.count("C_Login");
  for (let times = 0; times < 3; times++) {
    await using signer = newSigner({ pin: "wrong when isolated" });
    await expect(signer.publicJwk()).rejects.toMatchObject({ code: "pin-incorrect" });
  }
  expect(shim.count("C_Login")).toBe(logins + 1);
});
