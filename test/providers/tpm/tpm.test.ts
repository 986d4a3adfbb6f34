/** TpmSigner on a software TPM: options, URIs, rejected libraries and stores, and a TPM that loses power. */
import { setImmediate } from "node:timers/promises";
import { createKey, DPoPProver, listKeys, requireNonExportable } from "hardproof";
import { softHsm } from "hardproof/softhsm";
import { provider, TpmSigner, type TpmSignerOptions } from "hardproof/tpm";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { type SoftTpm, softTpm } from "../../tokens/index.js";
import { codesOf, proofs } from "../many-proofs.js";

const unavailable = inject("unavailable").TPM;

describe.skipIf(unavailable)(`TpmSigner${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
  let tpm: SoftTpm;
  beforeAll(async () => {
    tpm = await softTpm({ label: "agents" });
  });
  afterAll(() => tpm.close());

  const newSigner = (options: Partial<TpmSignerOptions> = {}) =>
    new TpmSigner({ token: tpm.token, key: tpm.key.label, pin: tpm.pin, store: tpm.store, tcti: tpm.tcti, ...options });

  it("finds the library automatically, and describes the key as non-exportable in a TPM in software", async () => {
    await using signer = newSigner();
    expect(await signer.describe()).toMatchObject({
      provider: "tpm",
      uri: `tpm:token=agents;object=dpop?store=${tpm.store}&tcti=tabrmd:bus_type%3Dsession`,
      protection: "software",
      exportable: false,
      evidence: {
        software: "software TPM (IBM SW TPM, such as swtpm)",
        module: expect.stringContaining("libtpm2_pkcs11.so"),
        token: { manufacturer: "IBM", model: "SW   TPM", firmware: expect.any(String) },
      },
    });
    await expect(requireNonExportable(signer, { protection: ["software"] })).resolves.toBeDefined();
    for (const protection of ["tpm", "hsm"] as const)
      await expect(requireNonExportable(signer, { protection: [protection] })).rejects.toMatchObject({
        code: "wrong-key",
        message: expect.stringMatching(/protection is software \(software TPM .*\); required is (tpm|hsm)/),
      });
  });

  it("has a URI that opens the same key with the PIN", async () => {
    await using signer = newSigner();
    await using opened = provider.open(signer.uri, { pin: tpm.pin });
    expect(await opened.publicJwk()).toEqual(await signer.publicJwk());
    expect(opened.uri).toBe(signer.uri);
    process.env.HARDPROOF_TEST_PIN = tpm.pin;
    await using byPinSource = provider.open(`${signer.uri}&pin-source=env:HARDPROOF_TEST_PIN`);
    await expect(byPinSource.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("signs with several signers concurrently, with one session each", async () => {
    const signers = [newSigner(), newSigner(), newSigner()];
    const signatures = signers.flatMap((signer) => Array.from({ length: 30 }, (_, n) => signer.sign(Buffer.from([n]))));
    expect(await Promise.all(signatures)).toHaveLength(90);
    await Promise.all(signers.map((signer) => signer.close()));
  });

  it("makes only one call into a TPM at a time for all signers of a process", async () => {
    const shim = faultyPkcs11(tpm.module);
    const [one, other] = [newSigner({ module: shim.module }), newSigner({ module: shim.module })];
    await Promise.all([one.publicJwk(), other.publicJwk()]);
    const before = shim.count("C_SignInit");
    shim.order({ on: "C_Sign", times: 1, act: "hang" });
    const first = one.sign(Buffer.from("first"));
    const second = other.sign(Buffer.from("second"));
    await expect.poll(() => shim.count("C_SignInit")).toBeGreaterThan(before);
    for (let turns = 0; turns < 20; turns++) await setImmediate();
    expect(shim.count("C_SignInit") - before).toBe(1);
    shim.order();
    await expect(Promise.all([first, second])).resolves.toHaveLength(2);
    await Promise.all([one.close(), other.close()]);
    shim.close();
  });

  it("creates a key in the TPM, lists it and opens it", async () => {
    await using created = await createKey(newSigner({ key: "created" }).uri, { pin: tpm.pin });
    expect(created.uri).toMatch(/^tpm:token=agents;object=created;id=(%[0-9A-F]{2}){16}\?store=/);
    await expect(requireNonExportable(created, { protection: ["software"] })).resolves.toMatchObject({
      evidence: { CKA_LOCAL: true, CKA_KEY_GEN_MECHANISM: "CKM_EC_KEY_PAIR_GEN" },
    });
    await expect(created.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    const store = `tpm:token=agents?store=${tpm.store}`;
    const uris = await listKeys(store, { pin: tpm.pin });
    expect(uris).toEqual([expect.stringContaining("object=created"), expect.stringContaining("object=dpop")]);
    for (const uri of uris) {
      await using signer = provider.open(uri, { pin: tpm.pin });
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    }
    await expect(createKey(created.uri ?? "", { pin: tpm.pin })).rejects.toMatchObject({ code: "ambiguous-key" });
    await expect(listKeys("tpm:token=missing", { pin: tpm.pin })).rejects.toMatchObject({
      code: "key-not-found",
      uri: "tpm:token=missing",
    });
  });

  it("keeps the process's store and TCTI after a failed attempt to open another store", async () => {
    await using elsewhere = newSigner({ store: "/elsewhere", key: "missing" });
    await expect(elsewhere.publicJwk()).rejects.toMatchObject({ name: "SignerError" });
    expect(process.env.TPM2_PKCS11_STORE).toBe(tpm.store);
    await using signer = newSigner();
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("rejects another store or TCTI in the same process, naming both", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    await using elsewhere = newSigner({ store: "/elsewhere" });
    await expect(elsewhere.publicJwk()).rejects.toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(new RegExp(`in use with TPM2_PKCS11_STORE set to ${tpm.store}.*/elsewhere`)),
    });
    await using otherTpm = newSigner({ tcti: "device:/dev/tpm9" });
    await expect(otherTpm.publicJwk()).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("rejects a library that doesn't use a TPM", async () => {
    await using hsm = await softHsm({ label: "agents" });
    await using signer = newSigner({ module: hsm.module, pin: hsm.pin });
    await expect(signer.publicJwk()).rejects.toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("doesn't report that it uses a TPM. Use hardproof/pkcs11"),
    });
  });

  it("rejects invalid options in the constructor", () => {
    const invalid: Partial<TpmSignerOptions>[] = [{ token: "" }, { token: {} }, { key: "" }, { key: { id: "abc" } }];
    for (const options of invalid) expect(() => newSigner(options)).toThrow(/(?:token|key) isn't named|id must/);
  });

  it("signs in an isolated process beside this one, which can also have another store", async () => {
    await using signer = newSigner();
    await using isolated = newSigner({ isolate: true });
    const [one, other] = await Promise.all([signer.publicJwk(), isolated.publicJwk()]);
    expect(other).toEqual(one);
    await expect(isolated.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    await using elsewhere = newSigner({ isolate: true, store: "/elsewhere" });
    const error = await elsewhere.publicJwk().catch((reason) => reason);
    expect(error.message).not.toContain("is in use with");
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  describe("after the TPM lost power", () => {
    it("makes proofs or reports unavailable during 200 proofs, and only makes proofs once the TPM is back", async () => {
      await using signer = newSigner();
      const prover = await DPoPProver.create(signer);
      const results = proofs(prover, 200);
      await tpm.kill();
      expect(["proof", "unavailable"]).toEqual(expect.arrayContaining([...codesOf(await results)]));
      await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "unavailable", retryable: true });
      await tpm.restart();
      await expect.poll(() => signer.sign(Buffer.from("x")), { timeout: 20_000 }).toHaveLength(64);
      expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
    });

    it("initialises the library again at the next proof if the TPM is already back", async () => {
      await using signer = newSigner();
      const prover = await DPoPProver.create(signer);
      await tpm.kill();
      await tpm.restart();
      expect(codesOf(await proofs(prover, 50))).toEqual(new Set(["proof"]));
    });

    it("reports what to check if a new signer can't reach the TPM", async () => {
      await tpm.kill();
      await using signer = newSigner();
      await expect(signer.publicJwk()).rejects.toMatchObject({
        code: "unavailable",
        message: expect.stringMatching(/CKR_GENERAL_ERROR.*\/dev\/tpmrm0.*group tss/),
      });
      await tpm.restart();
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    });
  });
});
