/** What holds of keys on any PKCS#11 token, run against each real one: found, refused, and used for proofs. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { DPoPProver, type KeyFacts, type PublicJwk, type Signer, SignerError } from "hardproof";
import type { Pkcs11SignerOptions } from "hardproof/pkcs11";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Token } from "../../../softhsm/index.js";

/** One real token, and what differs on it. */
export interface TokenUnderTest {
  name: string;
  /** Why the token isn't available on this machine, and the command that would install it. */
  unavailable?: string | undefined;
  make(options: { label: string; pin: string }): Promise<Token>;
  signer(options: Pkcs11SignerOptions): Signer;
  /** The URI of its first key. */
  uri(token: Token): string;
  /** What the token says of a key that was made on it. */
  facts: KeyFacts;
  /** What the token can't do, and why. */
  cannot?: Partial<Record<"serial" | "extractable" | "twins" | "pin count", string>>;
  /** Whether the token itself says that a wrong PIN was tried since the last right one. */
  pinCountLow?(token: Token): boolean;
}

export function pkcs11Suite(kind: TokenUnderTest): void {
  const { name, unavailable } = kind;
  describe.skipIf(unavailable)(`PKCS#11 on ${name}${unavailable ? ` (skipped. ${unavailable})` : ""}`, () => {
    cases(kind);
  });
}

function cases({ name, make, signer: newSigner, uri, facts, cannot = {}, pinCountLow }: TokenUnderTest): void {
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

  const unlessItCannot = (ability: keyof typeof cannot, title: string, run: () => Promise<void>) => {
    const reason = cannot[ability];
    if (reason === undefined) it(title, run);
    else it.skip(`${title} (not with ${name}: ${reason})`);
  };
  const options = (more: Partial<Pkcs11SignerOptions> = {}): Pkcs11SignerOptions => ({
    module: hsm.module,
    libraryParameters: hsm.libraryParameters,
    token: hsm.token,
    key: hsm.key.label,
    pin: hsm.pin,
    ...more,
  });
  /** Closes its signer again: some libraries see what other programs change only when they are initialised again. */
  const publicJwkOf = async (key: string): Promise<PublicJwk> => {
    await using signer = newSigner(options({ key }));
    return await signer.publicJwk();
  };
  const refused = async (more: Partial<Pkcs11SignerOptions>): Promise<SignerError> => {
    await using signer = newSigner(options(more));
    return signer.publicJwk().then(
      () => expect.unreachable(),
      (error) => error,
    );
  };

  describe("a key on a token", () => {
    it("signs, whatever way the token, the key and the PIN are given", async () => {
      const file = join(directory, "pin");
      writeFileSync(file, `${hsm.pin}\n`);
      process.env.HARDPROOF_TEST_PIN = hsm.pin;
      const ways: Partial<Pkcs11SignerOptions>[] = [
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
      for (const way of ways) {
        await using signer = newSigner(options(way));
        const prover = await DPoPProver.create(signer);
        expect((await prover.makeProof({ htm: "GET", htu: "https://a.example" })).split(".")).toHaveLength(3);
        thumbprints.add(prover.jkt);
      }
      expect(thumbprints.size).toBe(1);
    });

    unlessItCannot("serial", "is found by the token's serial number alone", async () => {
      await using signer = newSigner(options({ token: { serial: hsm.serial } }));
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    });

    it("is found by the slot id that describe() tells", async () => {
      await using signer = newSigner(options());
      const { slot } = (await signer.describe()).evidence.token as { slot: number };
      await using bySlot = newSigner(options({ token: { slot } }));
      expect(await bySlot.publicJwk()).toEqual(await signer.publicJwk());
    });

    it("is described by the token's own attributes", async () => {
      await using signer = newSigner(options());
      expect(await signer.describe()).toMatchObject({
        uri: uri(hsm),
        ...facts,
      });
    });

    unlessItCannot("extractable", "that is extractable is said to be", async () => {
      await hsm.generateKey({ label: "loose", id: "20", type: "EC:prime256v1", extractable: true });
      await using signer = newSigner(options({ key: "loose" }));
      expect(await signer.describe()).toMatchObject({ exportable: true, evidence: { CKA_EXTRACTABLE: true } });
    });

    it("signs side by side without mixing answers up", async () => {
      await using signer = newSigner(options());
      const messages = Array.from({ length: 500 }, (_, n) => Buffer.from(`message ${n}`));
      const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
      expect(new Set(signatures.map((signature) => Buffer.from(signature).toString("hex"))).size).toBe(500);
    });

    it("outlives its signer: the library is opened twice, and one of them closed", async () => {
      const [one, other] = [newSigner(options()), newSigner(options())];
      await Promise.all([one.publicJwk(), other.publicJwk()]);
      await one.close();
      await expect(other.sign(Buffer.from("still here"))).resolves.toHaveLength(64);
      await other.close();
      await using third = newSigner(options());
      await expect(third.sign(Buffer.from("here again"))).resolves.toHaveLength(64);
    });
  });

  describe("what is refused", () => {
    it("a file that doesn't exist or isn't a module", async () => {
      expect(await refused({ module: "/no/such/module.so" })).toMatchObject({
        code: "misconfigured",
        message: expect.stringContaining("/no/such/module.so"),
      });
      const text = join(directory, "text.so");
      writeFileSync(text, "no library");
      expect(await refused({ module: text })).toMatchObject({ code: "misconfigured" });
    });

    it("a token that is not there, with the names of those that are", async () => {
      const wanted = [{ label: "nobody" }, { serial: "0" }, { slot: 987654 }, { label: hsm.token, serial: "0" }];
      for (const token of wanted)
        expect(await refused({ token })).toMatchObject({
          code: "key-not-found",
          message: expect.stringContaining('"tests"'),
        });
    });

    it("a key that is not there, with the names of those that are", async () => {
      expect(await refused({ key: "nobody" })).toMatchObject({
        code: "key-not-found",
        message: expect.stringMatching(/label "nobody".*"dpop" \(id.*To create it, run hardproof keygen/),
      });
      expect(await refused({ key: { label: "dpop", id: "ff" } })).toMatchObject({ code: "key-not-found" });
    });

    it("a label of two keys, naming both ids; either id then selects its key", async () => {
      await hsm.generateKey({ label: "twin", id: "30", type: "EC:prime256v1" });
      await hsm.generateKey({ label: "twin", id: "31", type: "EC:prime256v1" });
      const error = await refused({ key: "twin" });
      expect(error).toMatchObject({
        code: "ambiguous-key",
        message: expect.stringMatching(/id 30.*id 31|id 31.*id 30/),
      });
      await using one = newSigner(options({ key: { label: "twin", id: "30" } }));
      await using other = newSigner(options({ key: { id: "31" } }));
      expect((await one.publicJwk()).x).not.toBe((await other.publicJwk()).x);
    });

    unlessItCannot("twins", "two keys with the same label and id", async () => {
      await hsm.generateKey({ label: "same", id: "32", type: "EC:prime256v1" });
      await hsm.generateKey({ label: "same", id: "32", type: "EC:prime256v1" });
      expect(await refused({ key: { label: "same", id: "32" } })).toMatchObject({ code: "ambiguous-key" });
    });

    it.each([
      ["rsa:2048", "40", "RSA"],
      ["EC:secp384r1", "41", "P-384"],
    ] as const)("a key of type %s, saying so", async (type, id, found) => {
      await hsm.generateKey({ label: `odd ${id}`, id, type });
      expect(await refused({ key: `odd ${id}` })).toMatchObject({
        code: "wrong-key",
        message: expect.stringMatching(new RegExp(`${found}.*P-256`)),
      });
    });

    it("a key without its public object, unless the public key is given", async () => {
      await hsm.generateKey({ label: "half", id: "50", type: "EC:prime256v1" });
      const publicJwk = await publicJwkOf("half");
      await hsm.deleteObject({ type: "pubkey", id: "50" });
      expect(await refused({ key: "half" })).toMatchObject({
        code: "key-not-found",
        message: expect.stringContaining("no public key object"),
      });
      await using given = newSigner(options({ key: "half", publicJwk }));
      await expect(given.sign(Buffer.from("x"))).resolves.toHaveLength(64);
      await using mistaken = newSigner(options({ key: "half", publicJwk: await publicJwkOf(hsm.key.label) }));
      await expect(mistaken.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "integrity" });
    });

    it("a PIN source that is empty or can't be read, without a try", async () => {
      const empty = join(directory, "empty");
      writeFileSync(empty, "\n");
      delete process.env.HARDPROOF_TEST_PIN;
      const sources = [
        undefined,
        "",
        { env: "HARDPROOF_TEST_PIN" },
        { file: empty },
        { file: join(directory, "nothing") },
        () => "",
        () => Promise.reject(new Error("nobody there")),
      ];
      for (const pin of sources) expect(await refused({ pin })).toMatchObject({ code: "pin-required" });
    });

    it("a wrong PIN, tried once; the right one works after it", async () => {
      expect(await refused({ pin: "wrong-PIN" })).toMatchObject({ code: "pin-incorrect", retryable: false });
      for (let times = 0; times < 20; times++)
        expect(await refused({ pin: "wrong-PIN" })).toMatchObject({ message: expect.stringContaining("wrong before") });
      await using signer = newSigner(options());
      await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    });

    unlessItCannot(
      "pin count",
      "a wrong PIN once, but no PIN source that can't be read, as the token itself counts",
      async () => {
        // The right PIN resets the count; without a login left, the next one is tried.
        await publicJwkOf(hsm.key.label);
        await refused({ pin: { file: join(directory, "nothing") } });
        expect(pinCountLow?.(hsm)).toBe(false);
        await refused({ pin: "second-wrong-PIN" });
        expect(pinCountLow?.(hsm)).toBe(true);
      },
    );

    it("options that can't be right, at once", () => {
      const wrong: Partial<Pkcs11SignerOptions>[] = [
        { module: "" },
        { token: "" },
        { token: {} },
        { key: "" },
        { key: {} },
        { key: { id: "xyz" } },
        { key: { id: "abc" } },
        { timeout: -1 },
      ];
      for (const more of wrong) expect(() => newSigner(options(more))).toThrow(SignerError);
    });
  });

  describe("secrets", () => {
    it("the PIN is in no error and no print", async () => {
      await using signer = newSigner(options());
      await signer.publicJwk();
      const errors = [await refused({ pin: "another-wrong-PIN" }), await refused({ pin: "another-wrong-PIN" })];
      for (const shown of [signer, ...errors])
        expect(inspect(shown, { depth: 20, showHidden: true })).not.toMatch(/first-PIN|another-wrong-PIN/);
    });
  });
}
