/** Behaviour that the tests of ThalesGroup/crypto11 require, and a token that really disappears and comes back. */
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer, type Pkcs11SignerOptions, provider } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FaultyPkcs11, faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";

let hsm: SoftHsm;
let shim: FaultyPkcs11;
let directory: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "crypto11" });
  shim = faultyPkcs11(hsm.module);
  directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  shim.close();
  await hsm.close();
});

const newSigner = (more: Partial<Pkcs11SignerOptions> = {}) =>
  new Pkcs11Signer({ module: shim.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin, ...more });
const message = Buffer.from("x");
const codeOf = (work: Promise<unknown>) => work.then(String, (error) => error.code);
const opening = async (more: Partial<Pkcs11SignerOptions>) => {
  await using signer = newSigner(more);
  return codeOf(signer.publicJwk());
};

it("a key persists after its signer has closed and the library is finalised", async () => {
  const finalized = shim.count("C_Finalize");
  const created = await provider.create?.(`pkcs11:token=crypto11;object=persistent?module-path=${shim.module}`, {
    pin: hsm.pin,
  });
  const publicJwk = await created?.publicJwk();
  await created?.close();
  expect(shim.count("C_Finalize")).toBeGreaterThan(finalized);
  await using again = newSigner({ key: "persistent" });
  expect(await again.publicJwk()).toEqual(publicJwk);
  await expect(again.sign(message)).resolves.toHaveLength(64);
});

it("rejects an ambiguous selector in every form", async () => {
  await hsm.addKey({ label: "twin", id: "30", algorithm: "ES256" });
  await hsm.addKey({ label: "twin", id: "31", algorithm: "ES256" });
  await hsm.addKey({ label: "left", id: "32", algorithm: "ES256" });
  await hsm.addKey({ label: "right", id: "32", algorithm: "ES256" });
  await hsm.addKey({ label: "same", id: "33", algorithm: "ES256" });
  await hsm.addKey({ label: "same", id: "33", algorithm: "ES256" });
  const ambiguous = ["twin", { label: "twin" }, { id: "32" }, { id: Buffer.from([0x32]) }, { label: "same", id: "33" }];
  for (const key of ambiguous) expect(await opening({ key })).toBe("ambiguous-key");
  const uri = (path: string) => `pkcs11:token=crypto11;${path}?module-path=${shim.module}`;
  for (const path of ["object=twin", "id=%32", "object=same;id=%33"])
    expect(await codeOf(provider.open(uri(path), { pin: hsm.pin }).publicJwk())).toBe("ambiguous-key");
  // Two public keys share the id. Which of them belongs to the private key can't be determined, so neither is used.
  expect(await opening({ key: { label: "left", id: "32" } })).toBe("ambiguous-key");
});

it("rejects a slot that doesn't exist, and a token whose serial number or model differs", async () => {
  expect(await opening({ token: { slot: 987_654 } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, slot: 987_654 } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, serial: "0" } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, model: "another" } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, manufacturer: "SoftHSM project", model: "SoftHSM v2" } })).toMatch(
    /object/,
  );
});

it("initialises and finalises a library once, even if two signers open it by different paths", async () => {
  const link = join(directory, "link.so");
  symlinkSync(shim.module, link);
  const counts = () => [shim.count("C_Initialize"), shim.count("C_Finalize")] as const;
  const [initialized, finalized] = counts();
  const [one, other] = [newSigner(), newSigner({ module: link })];
  await Promise.all([one.publicJwk(), other.publicJwk()]);
  await one.close();
  expect(counts()).toEqual([initialized + 1, finalized]);
  await expect(other.sign(message)).resolves.toHaveLength(64);
  await other.close();
  expect(counts()).toEqual([initialized + 1, finalized + 1]);
});

it("a wrong PIN leaves the library usable for open signers and for new ones", async () => {
  await using before = newSigner();
  await before.publicJwk();
  expect(await opening({ pin: "wrong" })).toBe("pin-incorrect");
  await expect(before.sign(message)).resolves.toHaveLength(64);
  await before.close();
  expect(await opening({ pin: "wrong again" })).toBe("pin-incorrect");
  await using after = newSigner();
  await expect(after.sign(message)).resolves.toHaveLength(64);
});

it("rejects an empty or unreadable PIN source without trying a PIN", async () => {
  const empty = join(directory, "empty");
  writeFileSync(empty, "\n");
  delete process.env.HARDPROOF_TEST_PIN;
  const logins = shim.count("C_Login");
  for (const pin of [
    { env: "HARDPROOF_TEST_PIN" },
    { file: empty },
    { file: directory },
    { file: "/no/such" },
    "",
    () => "",
  ])
    expect(await opening({ pin })).toBe("pin-required");
  const uri = `pkcs11:token=crypto11;object=dpop?module-path=${shim.module}&pin-source=/no/such`;
  expect(await codeOf(provider.open(uri).publicJwk())).toBe("pin-required");
  expect(shim.count("C_Login")).toBe(logins);
});

it("32 signers make 64 signatures each concurrently", async () => {
  const signers = Array.from({ length: 32 }, () => newSigner({ sessions: 1 }));
  const sign = (signer: Pkcs11Signer) =>
    Promise.all(Array.from({ length: 64 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
  const signatures = await Promise.all(signers.map(sign));
  expect(new Set(signatures.flat().map((signature) => Buffer.from(signature).toString("hex"))).size).toBe(32 * 64);
  await Promise.all(signers.map((signer) => signer.close()));
  expect(shim.openSessions()).toBe(0);
});

it("rejects every call after close(), which may be called more than once", async () => {
  const signer = newSigner();
  const prover = await DPoPProver.create(signer);
  await Promise.all([signer.close(), signer.close()]);
  await signer.close();
  const calls = [
    signer.publicJwk(),
    signer.sign(message),
    signer.describe(),
    DPoPProver.create(signer),
    prover.makeProof({ htm: "GET", htu: "https://a.example" }),
  ];
  for (const call of calls) expect(await codeOf(call)).toBe("misconfigured");
  expect(shim.openSessions()).toBe(0);
});

describe("SoftHSM's token directory", () => {
  const moveAway = () => renameSync(join(hsm.directory, "tokens"), join(hsm.directory, "away"));
  const moveBack = () => renameSync(join(hsm.directory, "away"), join(hsm.directory, "tokens"));

  it("all signers are unavailable while the token directory is moved away, and sign again once it is back", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    const proofs = (count: number) =>
      Promise.all(
        Array.from({ length: count }, () => codeOf(prover.makeProof({ htm: "GET", htu: "https://a.example" }))),
      );
    const logins = shim.count("C_Login");
    moveAway();
    try {
      expect(new Set(await proofs(200))).toEqual(new Set(["unavailable"]));
      expect(await opening({})).toBe("unavailable");
    } finally {
      moveBack();
    }
    await expect.poll(() => codeOf(signer.sign(message)), { timeout: 20_000 }).not.toBe("unavailable");
    for (const proof of await proofs(200)) expect(proof).toMatch(/^ey/);
    expect(shim.count("C_Login") - logins).toBeLessThanOrEqual(3);
  });
});
