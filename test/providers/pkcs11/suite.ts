/** The test suite that every real PKCS#11 token runs: finding keys, rejecting wrong ones, and making proofs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { DPoPProver, type KeyFacts, type PublicJwk, type Signer, SignerError } from "hardproof";
import type { Pkcs11SignerOptions } from "hardproof/pkcs11";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Token } from "../../tokens/index.js";

/** A real token, and how it differs from the others. */
export interface TokenUnderTest {
  /** The token's name in the test titles. */
  name: string;
  /** Why the token isn't available on this machine, and the command that installs it. */
  unavailable?: string | undefined;
  /** Creates a temporary token. */
  make(options: { label: string; pin: string }): Promise<Token>;
  /** Returns the signer under test. */
  signer(options: Pkcs11SignerOptions): Signer;
  /** Returns the URI of the token's first key. */
  uri(token: Token): string;
  /** What `describe()` returns for a key that was generated on the token. */
  facts: KeyFacts;
  /** The features that the token doesn't support, and why. */
  unsupported?: Partial<Record<"serial" | "extractable" | "twins" | "pin count", string>>;
  /** Returns whether the token reports that a wrong PIN was tried since the last correct one. */
  pinCountLow?(token: Token): boolean;
}

/** Defines the suite's tests for a token, or skips them if it isn't available. */
export function pkcs11Suite(token: TokenUnderTest): void {
  const { name, unavailable } = token;
  describe.skipIf(unavailable)(`PKCS#11 on ${name}${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
    cases(token);
  });
}

function cases({ name, make, signer: newSigner, uri, facts, unsupported = {}, pinCountLow }: TokenUnderTest): void {
  let hsm: Token;
  let directory: string;
  beforeAll(async () => {
    hsm = await make({ label: "tests", pin: "first-PIN" });
    directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
  });
  afterAll(async () => {
    await hsm.close();
    rmSync(directory, { recursive: true });
  });

  const itIfSupported = (feature: keyof typeof unsupported, title: string, run: () => Promise<void>) => {
    const reason = unsupported[feature];
    if (reason === undefined) it(title, run);
    else it.skip(`${title} (not supported by ${name}: ${reason})`);
  };
  const options = (more: Partial<Pkcs11SignerOptions> = {}): Pkcs11SignerOptions => ({
    module: hsm.module,
    libraryParameters: hsm.libraryParameters,
    token: hsm.token,
    key: hsm.key.label,
    pin: hsm.pin,
    ...more,
  });
  /** Closes its signer again, because some libraries see changes by other programs only after they are initialised again. */
  const publicJwkOf = async (key: string): Promise<PublicJwk> => {
    await using signer = newSigner(options({ key }));
    return await signer.publicJwk();
  };
  const errorFor = async (more: Partial<Pkcs11SignerOptions>): Promise<SignerError> => {
    await using signer = newSigner(options(more));
    return signer.publicJwk().then(
      () => expect.unreachable(),
      (error) => error,
    );
  };

  describe("keys", () => {
    it("signs with a key that is selected by every form of the options token, key and pin", async () => {
      const file = join(directory, "pin");
      writeFileSync(file, `${hsm.pin}\n`);
      process.env.HARDPROOF_TEST_PIN = hsm.pin;
      const variants: Partial<Pkcs11SignerOptions>[] = [
        { token: { label: hsm.token } },
        { token: { label: hsm.token, serial: hsm.serial } },
        { key: { label: hsm.key.label } },
        { key: { id: hsm.key.id } },
        { key: { label: hsm.key.label, id: Buffer.from(hsm.key.id, "hex") } },
        { pin: { env: "HARDPROOF_TEST_PIN" } },
        { pin: { file } },
        { pin: () => hsm.pin },
        { pin: async () => hsm.pin },
        { verify: "first" },
      ];
      const thumbprints = new Set<string>();
      for (const variant of variants) {
        await using signer = newSigner(options(variant));
        const prover = await DPoPProver.create(signer);
        expect((await prover.makeProof({ htm: "GET", htu: "https://a.example" })).split(".")).toHaveLength(3);
        thumbprints.add(prover.jkt);
      }
      expect(thumbprints.size).toBe(1);
    });

    itIfSupported("serial", "finds a token by only its serial number", async () => {
      await using signer = newSigner(options({ token: { serial: hsm.serial } }));
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    });

    it("finds a token by the slot id that describe() returns", async () => {
      await using signer = newSigner(options());
      const { slot } = (await signer.describe()).evidence.token as { slot: number };
      await using bySlot = newSigner(options({ token: { slot } }));
      expect(await bySlot.publicJwk()).toEqual(await signer.publicJwk());
    });

    it("describes the key by its attributes on the token", async () => {
      await using signer = newSigner(options());
      expect(await signer.describe()).toMatchObject({
        uri: uri(hsm),
        ...facts,
      });
    });

    itIfSupported("extractable", "describes an extractable key as exportable", async () => {
      await hsm.addKey({ label: "loose", id: "20", algorithm: "ES256", extractable: true });
      await using signer = newSigner(options({ key: "loose" }));
      expect(await signer.describe()).toMatchObject({ exportable: true, evidence: { CKA_EXTRACTABLE: true } });
    });

    it("makes 200 concurrent signatures without mixing them up", async () => {
      await using signer = newSigner(options());
      const messages = Array.from({ length: 200 }, (_, n) => Buffer.from(`message ${n}`));
      const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
      expect(new Set(signatures.map((signature) => Buffer.from(signature).toString("hex"))).size).toBe(200);
    });

    it("a library stays usable for other signers after one signer has closed", async () => {
      const [one, other] = [newSigner(options()), newSigner(options())];
      await Promise.all([one.publicJwk(), other.publicJwk()]);
      await one.close();
      await expect(other.sign(Buffer.from("still here"))).resolves.toHaveLength(64);
      await other.close();
      await using third = newSigner(options());
      await expect(third.sign(Buffer.from("here again"))).resolves.toHaveLength(64);
    });
  });

  describe("invalid selections", () => {
    it("rejects a file that doesn't exist or isn't a module", async () => {
      expect(await errorFor({ module: "/no/such/module.so" })).toMatchObject({
        code: "misconfigured",
        message: expect.stringContaining("/no/such/module.so"),
      });
      const text = join(directory, "text.so");
      writeFileSync(text, "not a library");
      expect(await errorFor({ module: text })).toMatchObject({ code: "misconfigured" });
    });

    it("rejects a token that doesn't exist, and names the available ones", async () => {
      const selectors = [{ label: "missing" }, { serial: "0" }, { slot: 987654 }, { label: hsm.token, serial: "0" }];
      for (const token of selectors)
        expect(await errorFor({ token })).toMatchObject({
          code: "key-not-found",
          message: expect.stringContaining('"tests"'),
        });
    });

    it("rejects a key that doesn't exist, and names the available ones", async () => {
      expect(await errorFor({ key: "missing" })).toMatchObject({
        code: "key-not-found",
        message: expect.stringMatching(/label "missing".*"dpop" \(id.*To create it, run hardproof keygen/),
      });
      expect(await errorFor({ key: { label: "dpop", id: "ff" } })).toMatchObject({ code: "key-not-found" });
    });

    it("rejects a label that two keys share, and names both ids, each of which selects its key", async () => {
      await hsm.addKey({ label: "twin", id: "30", algorithm: "ES256" });
      await hsm.addKey({ label: "twin", id: "31", algorithm: "ES256" });
      const error = await errorFor({ key: "twin" });
      expect(error).toMatchObject({
        code: "ambiguous-key",
        message: expect.stringMatching(/id 30.*id 31|id 31.*id 30/),
      });
      await using one = newSigner(options({ key: { label: "twin", id: "30" } }));
      await using other = newSigner(options({ key: { id: "31" } }));
      expect((await one.publicJwk()).x).not.toBe((await other.publicJwk()).x);
    });

    itIfSupported("twins", "rejects a label and an id that two keys share", async () => {
      await hsm.addKey({ label: "same", id: "32", algorithm: "ES256" });
      await hsm.addKey({ label: "same", id: "32", algorithm: "ES256" });
      expect(await errorFor({ key: { label: "same", id: "32" } })).toMatchObject({ code: "ambiguous-key" });
    });

    it.each([
      ["RS256", "40", "RSA"],
      ["ES384", "41", "P-384"],
    ] as const)("rejects a key for %s if ES256 is required, and names its type", async (algorithm, id, found) => {
      await hsm.addKey({ label: `odd ${id}`, id, algorithm });
      expect(await errorFor({ key: `odd ${id}`, algorithm: "ES256" })).toMatchObject({
        code: "wrong-key",
        message: expect.stringMatching(new RegExp(`${found}.*P-256`)),
      });
    });

    it("rejects a key without a public key object, unless publicJwk is set", async () => {
      await hsm.addKey({ label: "half", id: "50", algorithm: "ES256" });
      const publicJwk = await publicJwkOf("half");
      await hsm.deleteKey({ id: "50" }, { only: "public" });
      expect(await errorFor({ key: "half" })).toMatchObject({
        code: "key-not-found",
        message: expect.stringContaining("no public key object"),
      });
      await using withJwk = newSigner(options({ key: "half", publicKey: publicJwk }));
      await expect(withJwk.sign(Buffer.from("x"))).resolves.toHaveLength(64);
      await using withWrongJwk = newSigner(options({ key: "half", publicKey: await publicJwkOf(hsm.key.label) }));
      await expect(withWrongJwk.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "integrity" });
    });

    it("rejects a PIN source that is empty or can't be read", async () => {
      const empty = join(directory, "empty");
      writeFileSync(empty, "\n");
      delete process.env.HARDPROOF_TEST_PIN;
      const sources = [
        undefined,
        "",
        { env: "HARDPROOF_TEST_PIN" },
        { file: empty },
        { file: join(directory, "missing") },
        () => "",
        () => Promise.reject(new Error("not available")),
      ];
      for (const pin of sources) expect(await errorFor({ pin })).toMatchObject({ code: "pin-required" });
    });

    it("tries a wrong PIN once, and signs with the correct one afterwards", async () => {
      expect(await errorFor({ pin: "wrong-PIN" })).toMatchObject({ code: "pin-incorrect", retryable: false });
      for (let attempt = 0; attempt < 5; attempt++)
        expect(await errorFor({ pin: "wrong-PIN" })).toMatchObject({
          message: expect.stringContaining("wrong before"),
        });
      await using signer = newSigner(options());
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    });

    itIfSupported(
      "pin count",
      "the token counts a login with a wrong PIN, and none with an unreadable PIN source",
      async () => {
        // The right PIN resets the count, and closing its signer logs out, so the next PIN is tried.
        await publicJwkOf(hsm.key.label);
        await errorFor({ pin: { file: join(directory, "missing") } });
        expect(pinCountLow?.(hsm)).toBe(false);
        await errorFor({ pin: "second-wrong-PIN" });
        expect(pinCountLow?.(hsm)).toBe(true);
      },
    );

    it("throws at once for invalid options", () => {
      const invalid: Partial<Pkcs11SignerOptions>[] = [
        { module: "" },
        { token: "" },
        { token: {} },
        { key: "" },
        { key: {} },
        { key: { id: "xyz" } },
        { key: { id: "abc" } },
        { timeout: -1 },
      ];
      for (const more of invalid) expect(() => newSigner(options(more))).toThrow(SignerError);
    });
  });

  describe("secrets", () => {
    it("the PIN appears in neither an error nor a printed signer", async () => {
      await using signer = newSigner(options());
      await signer.publicJwk();
      const errors = [await errorFor({ pin: "another-wrong-PIN" }), await errorFor({ pin: "another-wrong-PIN" })];
      for (const shown of [signer, ...errors])
        expect(inspect(shown, { depth: 20, showHidden: true })).not.toMatch(/first-PIN|another-wrong-PIN/);
    });
  });
}
