/** Keys in PEM files: made, opened and refused, by URI and by options. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { createKey, DPoPProver, openSigner, type Signer, SignerError } from "hardproof";
import { conformance } from "hardproof/conformance";
import { FileSigner, provider } from "hardproof/file";
import { afterAll, describe, expect, it } from "vitest";
import { formatFileUri, parseFileUri } from "../../../providers/file/uri.js";

const PASSPHRASE = "correct horse";
const directory = mkdtempSync(join(tmpdir(), "hardproof-file-"));
afterAll(() => rmSync(directory, { recursive: true }));
const inDirectory = (name: string) => join(directory, name);
const written = (name: string, content: string) => {
  writeFileSync(inDirectory(name), content);
  return inDirectory(name);
};
const pemOf = (namedCurve: string) =>
  generateKeyPairSync("ec", { namedCurve }).privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const errorOf = async (work: Promise<unknown>): Promise<SignerError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const firstUse = async (signer: Signer | Promise<Signer>) => errorOf((await signer).publicJwk());

process.env.HARDPROOF_TEST_PASSPHRASE = PASSPHRASE;
const encrypted = inDirectory("encrypted.pem");
await createKey(`file://${encrypted}?passphrase-source=env:HARDPROOF_TEST_PASSPHRASE`);
const p384 = written("p384.pem", pemOf("P-384"));

describe("the conformance kit", () => {
  const key = createPrivateKey({ key: readFileSync(encrypted, "utf8"), passphrase: PASSPHRASE });
  const late = written("late.pem", "");
  const cases = conformance({
    open: () => new FileSigner({ path: encrypted, passphrase: { env: "HARDPROOF_TEST_PASSPHRASE" } }),
    secrets: [PASSPHRASE, key.export({ format: "jwk" }).d ?? ""],
    wrongKey: { open: () => new FileSigner({ path: p384 }), found: "secp384r1" },
    failsFirst: () => {
      rmSync(late, { force: true });
      const signer = new FileSigner({ path: late });
      signer.publicJwk().catch(() => writeFileSync(late, pemOf("P-256")));
      return signer;
    },
    connections: "A file is not connected to.",
    hanging: "A key in memory signs at once.",
    onEventLoop: "A key in memory signs at once.",
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("a key that is made", () => {
  it("is the one that is opened later, and only its owner can read it", async () => {
    const uri = `file://${inDirectory("made.pem")}`;
    const made = await createKey(uri);
    expect(await (await openSigner(uri)).publicJwk()).toEqual(await made.publicJwk());
    expect(statSync(inDirectory("made.pem")).mode & 0o777).toBe(0o600);
    expect(readFileSync(inDirectory("made.pem"), "utf8")).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(await made.describe()).toMatchObject({
      provider: "file",
      uri,
      protection: "software",
      exportable: true,
      evidence: { path: inDirectory("made.pem"), mode: "0600", encrypted: false },
    });
  });

  it("is encrypted where the URI names a passphrase, and openssl can read it", async () => {
    expect(readFileSync(encrypted, "utf8")).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    const args = ["pkey", "-in", encrypted, "-passin", "env:HARDPROOF_TEST_PASSPHRASE", "-noout", "-text"];
    expect(execFileSync("openssl", args).toString()).toMatch(/prime256v1/);
  });

  it("never takes the place of another file", async () => {
    const path = written("precious.pem", "precious");
    expect(await errorOf(createKey(`file://${path}`))).toMatchObject({ code: "misconfigured", uri: `file://${path}` });
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("is not made without the passphrase that it is to have", async () => {
    const uri = `file://${inDirectory("bare.pem")}?passphrase-source=env:HARDPROOF_NO_SUCH_VARIABLE`;
    expect(await errorOf(createKey(uri))).toMatchObject({ code: "pin-required", uri });
    expect(statSync(inDirectory("bare.pem"), { throwIfNoEntry: false })).toBeUndefined();
  });

  it("is not made in a directory that is not there", async () => {
    expect(await errorOf(createKey(`file://${inDirectory("none/k.pem")}`))).toMatchObject({ code: "key-not-found" });
  });
});

describe("a key that is there", () => {
  it.each([
    ["from the environment", () => "env:HARDPROOF_TEST_PASSPHRASE"],
    ["from a file, without the line break at its end", () => written("passphrase", `${PASSPHRASE}\n`)],
    ["from a file by its URI", () => `file://${written("passphrase", PASSPHRASE)}`],
  ])("takes its passphrase %s", async (_, source) => {
    const signer = await openSigner(`file://${encrypted}?passphrase-source=${source()}`);
    expect((await DPoPProver.create(signer)).jkt).toMatch(/^[\w-]{43}$/);
    expect(await signer.describe()).toMatchObject({ evidence: { encrypted: true } });
  });

  it("takes the options of every signer", async () => {
    const error = await errorOf(openSigner(`file://${encrypted}`, { timeout: 0 }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("timeout") });
  });

  it.each([
    ["no file", () => `file://${inDirectory("none.pem")}`, "key-not-found"],
    ["a directory", () => `file://${directory}`, "key-not-found"],
    ["no PEM", () => `file://${written("text", "not a key")}`, "wrong-key"],
    ["a public key", () => `file://${written("rsa.pem", rsaPublicKey())}`, "wrong-key"],
    ["a passphrase that is not given", () => `file://${encrypted}`, "pin-required"],
    [
      "a passphrase that is not there",
      () => `file://${encrypted}?passphrase-source=env:HARDPROOF_NONE`,
      "pin-required",
    ],
    ["a passphrase file that is not there", () => `file://${encrypted}?passphrase-source=/no/such`, "pin-required"],
    ["another passphrase", () => `file://${encrypted}?passphrase-source=${written("other", "wrong")}`, "pin-incorrect"],
  ])("%s", async (_, uri, code) => {
    const error = await firstUse(openSigner(uri()));
    expect(error).toMatchObject({ code, uri: uri(), message: expect.stringContaining(uri()) });
  });

  it("a file of somebody else", async () => {
    const path = written("theirs.pem", pemOf("P-256"));
    chmodSync(path, 0);
    // Root may read any file: be nobody for a moment.
    const root = process.getuid?.() === 0;
    if (root) process.seteuid?.(65534);
    try {
      expect(await firstUse(openSigner(`file://${path}`))).toMatchObject({ code: "access-denied" });
    } finally {
      if (root) process.seteuid?.(0);
    }
  });
});

function rsaPublicKey(): string {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

const path = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/^\/|\0/.test(text));
const absolute = path.map((text) => `/${text}`);
const source = fc.oneof(
  fc.constant(undefined),
  absolute.map((file) => ({ file })),
  fc.stringMatching(/^[A-Za-z_]\w{0,10}$/).map((env) => ({ env })),
);

describe("RFC 8089", () => {
  it("any path and any source of the passphrase survive the way into a URI and back", () => {
    fc.assert(
      fc.property(absolute, source, (path, passphrase) => {
        expect(parseFileUri(formatFileUri({ path, passphrase }))).toEqual({ path, passphrase });
      }),
    );
  });

  it("takes the short form without an authority", () => {
    expect(parseFileUri("file:/run/a%20key.pem")).toEqual({ path: "/run/a key.pem" });
  });

  it.each([
    ["no path", "file:", /character 6 of/],
    ["a relative path", "file:key.pem", /character 6 of/],
    ["another machine", "file://nas/key.pem", /character 6 of/],
    ["the root", "file:///", /character 6 of/],
    ["an attribute that is not known", "file:///k.pem?passphrase=s3cr3t", /character 15 of/],
    ["a passphrase in place of its source", "file:///k.pem?passphrase-source=s3cr3t", /passphrase-source must be env:/],
    ["a source twice", "file:///k?passphrase-source=env:A&passphrase-source=s3cr3t", /character 35 of/],
    ["no UTF-8", "file:///k%FF", /The path is not UTF-8/],
    ["a NUL", "file:///k%00.pem", /The path contains a NUL/],
    ["a fragment", "file:///k#s3cr3t", /character 10 of/],
  ])("refuses %s", async (_, uri, where) => {
    const error = await errorOf(openSigner(uri));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(where) });
    expect(error.message).not.toContain("s3cr3t");
  });

  it("refuses 200 spoiled URIs in one line each, without what they hold", () => {
    const spoiled = fc
      .tuple(
        absolute,
        fc.constantFrom("%", "%zz", " ", "<", "&passphrase-source=s3cr3t", "&pin-value=s3cr3t", "&s3cr3t"),
      )
      .map(([path, spoil]) => `${formatFileUri({ path, passphrase: { env: "A" } })}${spoil}`);
    fc.assert(
      fc.property(spoiled, (uri) => {
        expect(() => provider.open(uri)).toThrow(SignerError);
        expect(() => provider.open(uri)).toThrow(/^file: (?!.*s3cr3t)[^\n]*character \d+ of the URI\)\.$/);
      }),
      { numRuns: 200 },
    );
  });
});
