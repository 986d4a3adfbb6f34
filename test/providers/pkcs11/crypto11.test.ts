/** What ThalesGroup/crypto11's own tests hold, held here too; and a token that really goes away and comes back. */
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DPoPProver } from "hardproof";
import { Pkcs11Signer, type Pkcs11SignerOptions, provider } from "hardproof/pkcs11";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SoftHsm, softHsm } from "../../../softhsm/index.js";
import { type FaultShim, faultShim } from "../../shim/fault-shim.js";

let hsm: SoftHsm;
let shim: FaultShim;
let directory: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "crypto11" });
  shim = faultShim(hsm.module);
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

it("keys persist across openings, and across the library being finalised", async () => {
  const finalized = shim.count("C_Finalize");
  const made = await provider.create?.(`pkcs11:token=crypto11;object=kept?module-path=${shim.module}`, {
    pin: hsm.pin,
  });
  const publicJwk = await made?.publicJwk();
  await made?.close();
  expect(shim.count("C_Finalize")).toBeGreaterThan(finalized);
  await using again = newSigner({ key: "kept" });
  expect(await again.publicJwk()).toEqual(publicJwk);
  await expect(again.sign(message)).resolves.toHaveLength(64);
});

it("ambiguous selectors are refused in every form", async () => {
  await hsm.generateKey({ label: "twin", id: "30", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "twin", id: "31", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "left", id: "32", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "right", id: "32", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "same", id: "33", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "same", id: "33", type: "EC:prime256v1" });
  const ambiguous = ["twin", { label: "twin" }, { id: "32" }, { id: Buffer.from([0x32]) }, { label: "same", id: "33" }];
  for (const key of ambiguous) expect(await opening({ key })).toBe("ambiguous-key");
  const uri = (path: string) => `pkcs11:token=crypto11;${path}?module-path=${shim.module}`;
  for (const path of ["object=twin", "id=%32", "object=same;id=%33"])
    expect(await codeOf(provider.open(uri(path), { pin: hsm.pin }).publicJwk())).toBe("ambiguous-key");
  // One id, two public keys: which of them is the private key's can't be told, so neither is taken.
  expect(await opening({ key: { label: "left", id: "32" } })).toBe("ambiguous-key");
});

it("a slot that does not exist is refused, as is a token known by another serial number", async () => {
  expect(await opening({ token: { slot: 987_654 } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, slot: 987_654 } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, serial: "0" } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, model: "another" } })).toBe("key-not-found");
  expect(await opening({ token: { label: hsm.token, manufacturer: "SoftHSM project", model: "SoftHSM v2" } })).toMatch(
    /object/,
  );
});

it("the same library is opened twice, by two names, and one is closed: it is initialised and finalised once", async () => {
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

it("a wrong PIN leaves the library usable, for those who have it open and for those who come", async () => {
  await using before = newSigner();
  await before.publicJwk();
  expect(await opening({ pin: "wrong" })).toBe("pin-incorrect");
  await expect(before.sign(message)).resolves.toHaveLength(64);
  await before.close();
  expect(await opening({ pin: "wrong again" })).toBe("pin-incorrect");
  await using after = newSigner();
  await expect(after.sign(message)).resolves.toHaveLength(64);
});

it("an unreadable PIN source is an error, and never an empty PIN", async () => {
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

it("32 signers make 256 signatures each, side by side", async () => {
  const signers = Array.from({ length: 32 }, () => newSigner({ sessions: 1 }));
  const sign = (signer: Pkcs11Signer) =>
    Promise.all(Array.from({ length: 256 }, (_, n) => signer.sign(Buffer.from(`${n}`))));
  const made = await Promise.all(signers.map(sign));
  expect(new Set(made.flat().map((signature) => Buffer.from(signature).toString("hex"))).size).toBe(32 * 256);
  await Promise.all(signers.map((signer) => signer.close()));
  expect(shim.openSessions()).toBe(0);
});

it("every method is an error after close(), which may be called twice", async () => {
  const signer = newSigner();
  const prover = await DPoPProver.create(signer);
  await Promise.all([signer.close(), signer.close()]);
  await signer.close();
  const late = [
    signer.publicJwk(),
    signer.sign(message),
    signer.describe(),
    DPoPProver.create(signer),
    prover.makeProof({ htm: "GET", htu: "https://a.example" }),
  ];
  for (const work of late) expect(await codeOf(work)).toBe("misconfigured");
  expect(shim.openSessions()).toBe(0);
});

describe("SoftHSM's token directory, moved away and back", () => {
  const away = () => renameSync(join(hsm.directory, "tokens"), join(hsm.directory, "away"));
  const back = () => renameSync(join(hsm.directory, "away"), join(hsm.directory, "tokens"));

  it("is unavailable meanwhile, to all, and signs again after", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    const proofs = (count: number) =>
      Promise.all(
        Array.from({ length: count }, () => codeOf(prover.makeProof({ htm: "GET", htu: "https://a.example" }))),
      );
    const logins = shim.count("C_Login");
    away();
    try {
      expect(new Set(await proofs(200))).toEqual(new Set(["unavailable"]));
      expect(await opening({})).toBe("unavailable");
    } finally {
      back();
    }
    await expect.poll(() => codeOf(signer.sign(message)), { timeout: 20_000 }).not.toBe("unavailable");
    for (const proof of await proofs(200)) expect(proof).toMatch(/^ey/);
    expect(shim.count("C_Login") - logins).toBeLessThanOrEqual(3);
  });
});
