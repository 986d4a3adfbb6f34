/** Keys of a software TPM that OpenSSL opens by tpm2-openssl: the conformance kit, and wrong PINs that the TPM counts. */
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from "vitest";
import { createTpmKey, type Tpm2OpenSsl, tpm2OpenSsl, tpmLockout } from "../../tokens/index.js";
import { registerKit } from "./kit.js";
import { attempts, noStoreNode, type ProgramOptions, runProgram } from "./program.js";

const skipped = noStoreNode ?? inject("unavailable")["TPM handles"];
const PIN = "4711-secret";
const P256 = "handle:0x81010010";
const P384 = "handle:0x81010011";
const RSA = "handle:0x81010012";
const OPEN = "handle:0x81010013";

describe.skipIf(skipped)(`by tpm2-openssl${skipped ? ` (${skipped})` : ""}`, () => {
  let tpm: Tpm2OpenSsl;
  let where: ProgramOptions;
  beforeAll(async () => {
    tpm = await tpm2OpenSsl();
    where = { configuration: tpm.configuration, env: { ...tpm.env, PIN, WRONG: "wrong-pin" } };
    await createTpmKey(tpm, "ecc256", handleOf(P256), PIN);
    await createTpmKey(tpm, "ecc384", handleOf(P384), PIN);
    await createTpmKey(tpm, "rsa2048", handleOf(RSA), PIN);
    await createTpmKey(tpm, "ecc256", handleOf(OPEN));
  }, 120_000);
  afterEach(() => tpmLockout(tpm));
  afterAll(() => tpm?.close());

  describe("the conformance kit for ES256, at a handle", () => {
    const fixture = `
      const pin = process.env.PIN;
      const fixture = {
        open: () => new OpensslSigner({ key: "${P256}", pin }),
        wrongKey: { open: () => new OpensslSigner({ key: "${P384}", pin, algorithm: "ES256" }), found: "P-384" },
        hanging: "The signers of a TPM take turns, so a call that hangs blocks all of them.",
        slow: "The loader of the tests shows it.",
        connections: "The loader of the tests shows it.",
        failsFirst: "The loader of the tests shows it.",
        secrets: [pin],
        signatures,
      };
    `;
    registerKit(fixture, () => where, 20);
  });

  it("signs with each algorithm that the TPM has", async () => {
    const rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map((name) => `${RSA}?algorithm=${name}&`);
    const uris = [`${P256}?`, `${P384}?`, ...rsa].map((uri) => `openssl:${uri}pin-source=env:PIN`);
    expect(await attempts([...uris, `openssl:${OPEN}`], where)).toEqual(Array(9).fill({ signed: true }));
    expect(await tpmLockout(tpm)).toBe(0);
  });

  it("tries a wrong PIN once for a key, when it is opened, and not with each signature", async () => {
    const wrong = `openssl:${P256}?pin-source=env:WRONG`;
    const results = await attempts([wrong, wrong, wrong, `openssl:${P256}?pin-source=env:PIN`], where);
    expect(results.map(({ code }) => code)).toEqual(["pin-incorrect", "pin-incorrect", "pin-incorrect", undefined]);
    expect(results[0]?.message).toContain("cannot sign");
    expect(await tpmLockout(tpm)).toBe(1);
    expect(JSON.stringify(results)).not.toContain("wrong-pin");
  });

  it("tries a key that has a PIN once without it", async () => {
    const without = `openssl:${P256}`;
    const results = await attempts([without, without, `openssl:${P256}?pin-source=env:PIN`], where);
    expect(results.map(({ code }) => code)).toEqual(["pin-required", "pin-required", undefined]);
    expect(await tpmLockout(tpm)).toBe(1);
  });

  it("doesn't count a handle without a key as a wrong PIN", async () => {
    const uri = "openssl:handle:0x81010099?pin-source=env:WRONG";
    const results = await attempts([uri, uri], where);
    expect(results.map(({ code }) => code)).toEqual(["unavailable", "unavailable"]);
    expect(results[0]?.message).toContain("cannot load key");
    expect(await tpmLockout(tpm)).toBe(0);
  });

  it("signs for several signers at the same time, which take turns", async () => {
    const body = `
      const signers = ["${P256}", "${P384}", "${OPEN}"].map((key) =>
        new OpensslSigner({ key, ...(key !== "${OPEN}" && { pin: process.env.PIN }) }));
      const signatures = signers.flatMap((signer) => Array.from({ length: 8 }, () => signer.sign(Buffer.from("message"))));
      report((await Promise.all(signatures)).map(({ length }) => length));
    `;
    expect(await runProgram(body, where)).toEqual([[...Array(8).fill(64), ...Array(8).fill(96), ...Array(8).fill(64)]]);
  });

  it("opens a PEM that only the TPM can use, if files are allowed", async () => {
    const { href } = await tpm.generateKey("EC:P-256");
    const uri = `openssl:${href}`;
    const results = await attempts([uri, `${uri}?allow-file=true`], where);
    expect(results.map(({ code }) => code)).toEqual(["misconfigured", undefined]);
  });

  it("is diagnosed without using the key", async () => {
    const body = `
      import { diagnoseKey } from "hardproof";
      for await (const { check, ok } of diagnoseKey("openssl:${P256}?pin-source=env:WRONG")) report([check, ok]);
    `;
    expect(await runProgram(body, where)).toContainEqual(["loader", true]);
    expect(await tpmLockout(tpm)).toBe(0);
  });
});

function handleOf(uri: string): string {
  return uri.replace("handle:", "");
}
