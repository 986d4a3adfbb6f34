/** Keys in PEM files: created, opened and rejected, by URI and by options. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { createKey, DPoPProver, deleteKey, diagnoseKey, openSigner, type Signer, SignerError } from "hardproof";
import { conformance } from "hardproof/conformance";
import { FileSigner, provider } from "hardproof/file";
import { MemorySigner } from "hardproof/memory";
import { afterAll, describe, expect, it } from "vitest";
import { formatFileUri, parseFileUri } from "../../../providers/file/uri.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

const PASSPHRASE = "correct horse";
const directory = mkdtempSync(join(tmpdir(), "hardproof-file-"));
afterAll(() => rmSync(directory, { recursive: true }));
const inDirectory = (name: string) => join(directory, name);
const writeTestFile = (name: string, content: string) => {
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
const secp256k1 = writeTestFile("secp256k1.pem", pemOf("secp256k1"));

it.runIf(process.platform !== "win32").each(["pipe", "device"])(
  "a %s in place of the file is refused, since reading it may never end",
  async (kind) => {
    const path = kind === "pipe" ? inDirectory("pipe") : "/dev/zero";
    if (kind === "pipe") execFileSync("mkfifo", [path]);
    const error = await firstUse(new FileSigner({ path }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("regular file") });
    const findings = diagnoseKey(`file://${path}`);
    expect(await errorOf(findings.next())).toMatchObject({ code: "misconfigured" });
  },
);

describe.each(testedAlgorithms("file"))("the conformance kit, for %s", (algorithm) => {
  const pem = MemorySigner.generate({ algorithm, extractable: true }).exportPem(PASSPHRASE);
  const path = writeTestFile(`${algorithm}.pem`, pem);
  const late = writeTestFile(`late-${algorithm}.pem`, "");
  const passphrase = { env: "HARDPROOF_TEST_PASSPHRASE" };
  const plain = createPrivateKey({ key: pem, passphrase: PASSPHRASE }).export({ type: "pkcs8", format: "pem" });
  const cases = conformance({
    open: () => new FileSigner({ path, passphrase, algorithm }),
    secrets: [PASSPHRASE, plain.toString().split("\n")[1] ?? ""],
    wrongKey: { open: () => new FileSigner({ path: secp256k1, algorithm }), found: "secp256k1" },
    failsFirst: () => {
      rmSync(late, { force: true });
      const signer = new FileSigner({ path: late, passphrase, algorithm });
      signer.publicJwk().catch(() => writeFileSync(late, pem));
      return signer;
    },
    deleted: async () => {
      const uri = `file://${directory}/deleted-${algorithm}.pem`;
      await (await createKey(uri, { algorithm })).close();
      await deleteKey(uri);
      return openSigner(uri, { algorithm });
    },
    connections: "A file needs no connection.",
    hanging: "A key in memory signs synchronously.",
    slow: "A key in memory signs synchronously.",
    onEventLoop: "A key in memory signs synchronously.",
    signatures: 200,
  });
  for (const { name, run, notApplicable } of cases)
    it(name, (test) => (notApplicable ? test.skip(notApplicable) : run()));
});

describe("createKey", () => {
  it("writes a key that openSigner opens, and that only its owner can read", async () => {
    const uri = `file://${inDirectory("created.pem")}`;
    const created = await createKey(uri);
    expect(await (await openSigner(uri)).publicJwk()).toEqual(await created.publicJwk());
    expect(statSync(inDirectory("created.pem")).mode & 0o777).toBe(0o600);
    expect(readFileSync(inDirectory("created.pem"), "utf8")).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(await created.describe()).toMatchObject({
      provider: "file",
      uri,
      protection: "software",
      exportable: true,
      evidence: { path: inDirectory("created.pem"), mode: "0600", encrypted: false },
    });
  });

  it("encrypts the key if the URI names a passphrase, and openssl can read it", async () => {
    expect(readFileSync(encrypted, "utf8")).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    const args = ["pkey", "-in", encrypted, "-passin", "env:HARDPROOF_TEST_PASSPHRASE", "-noout", "-text"];
    expect(execFileSync("openssl", args).toString()).toMatch(/prime256v1/);
  });

  it("never overwrites a file", async () => {
    const path = writeTestFile("precious.pem", "precious");
    expect(await errorOf(createKey(`file://${path}`))).toMatchObject({ code: "misconfigured", uri: `file://${path}` });
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("doesn't write a file if the passphrase is missing", async () => {
    const uri = `file://${inDirectory("bare.pem")}?passphrase-source=env:HARDPROOF_NO_SUCH_VARIABLE`;
    expect(await errorOf(createKey(uri))).toMatchObject({ code: "pin-required", uri });
    expect(statSync(inDirectory("bare.pem"), { throwIfNoEntry: false })).toBeUndefined();
  });

  it("fails with key-not-found in a directory that doesn't exist", async () => {
    expect(await errorOf(createKey(`file://${inDirectory("none/k.pem")}`))).toMatchObject({ code: "key-not-found" });
  });
});

describe("openSigner", () => {
  it.each([
    ["from the environment", () => "env:HARDPROOF_TEST_PASSPHRASE"],
    ["from a file, without the line break at its end", () => writeTestFile("passphrase", `${PASSPHRASE}\n`)],
    ["from a file by its URI", () => `file://${writeTestFile("passphrase", PASSPHRASE)}`],
  ])("reads the passphrase %s", async (_, source) => {
    const signer = await openSigner(`file://${encrypted}?passphrase-source=${source()}`);
    expect((await DPoPProver.create(signer)).jkt).toMatch(/^[\w-]{43}$/);
    expect(await signer.describe()).toMatchObject({ evidence: { encrypted: true } });
  });

  it.each([
    ["a string", PASSPHRASE],
    ["a function", async () => PASSPHRASE],
  ])("accepts a passphrase as %s, which the URI doesn't contain", async (_, passphrase) => {
    const signer = new FileSigner({ path: encrypted, passphrase });
    expect(signer.uri).toBe(`file://${encrypted}`);
    expect(await signer.describe()).toMatchObject({ evidence: { encrypted: true } });
  });

  it("accepts the options of every signer", async () => {
    const error = await errorOf(openSigner(`file://${encrypted}`, { timeout: 0 }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("timeout") });
  });

  it.each([
    ["a missing file", () => `file://${inDirectory("none.pem")}`, "key-not-found"],
    ["a directory", () => `file://${directory}`, "key-not-found"],
    ["a file that isn't PEM", () => `file://${writeTestFile("text", "not a key")}`, "wrong-key"],
    ["a public key", () => `file://${writeTestFile("rsa.pem", rsaPublicKey())}`, "wrong-key"],
    ["a missing passphrase-source", () => `file://${encrypted}`, "pin-required"],
    [
      "a passphrase variable that isn't set",
      () => `file://${encrypted}?passphrase-source=env:HARDPROOF_NONE`,
      "pin-required",
    ],
    ["a passphrase file that doesn't exist", () => `file://${encrypted}?passphrase-source=/no/such`, "pin-required"],
    [
      "a wrong passphrase",
      () => `file://${encrypted}?passphrase-source=${writeTestFile("other", "wrong")}`,
      "pin-incorrect",
    ],
  ])("rejects %s at the first use", async (_, uri, code) => {
    const error = await firstUse(openSigner(uri()));
    expect(error).toMatchObject({ code, uri: uri(), message: expect.stringContaining(uri()) });
  });

  it("rejects a file that this user can't read", async () => {
    const path = writeTestFile("unreadable.pem", pemOf("P-256"));
    chmodSync(path, 0);
    // Root can read any file, so this test temporarily runs as the user `nobody`.
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
  it("preserves any path and any passphrase source in a round trip through a URI", () => {
    fc.assert(
      fc.property(absolute, source, (path, passphrase) => {
        expect(parseFileUri(formatFileUri({ path, passphrase }))).toEqual({ path, passphrase });
      }),
    );
  });

  it("accepts the short form without an authority", () => {
    expect(parseFileUri("file:/run/a%20key.pem")).toEqual({ path: "/run/a key.pem" });
  });

  it.each([
    ["no path", "file:", /character 6 of/],
    ["a relative path", "file:key.pem", /character 6 of/],
    ["a host", "file://nas/key.pem", /character 6 of/],
    ["the root", "file:///", /character 6 of/],
    ["an unknown attribute", "file:///k.pem?passphrase=s3cr3t", /character 15 of/],
    ["a passphrase instead of its source", "file:///k.pem?passphrase-source=s3cr3t", /passphrase-source must be env:/],
    ["a source twice", "file:///k?passphrase-source=env:A&passphrase-source=s3cr3t", /character 35 of/],
    ["invalid UTF-8", "file:///k%FF", /The path is not UTF-8/],
    ["a NUL", "file:///k%00.pem", /The path contains a NUL/],
    ["a fragment", "file:///k#s3cr3t", /character 10 of/],
  ])("rejects %s", async (_, uri, where) => {
    const error = await errorOf(openSigner(uri));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringMatching(where) });
    expect(error.message).not.toContain("s3cr3t");
  });

  it("rejects 200 malformed URIs, each in one line that doesn't repeat their values", () => {
    const malformed = fc
      .tuple(
        absolute,
        fc.constantFrom("%", "%zz", " ", "<", "&passphrase-source=s3cr3t", "&pin-value=s3cr3t", "&s3cr3t"),
      )
      .map(([path, mistake]) => `${formatFileUri({ path, passphrase: { env: "A" } })}${mistake}`);
    fc.assert(
      fc.property(malformed, (uri) => {
        expect(() => provider.open(uri)).toThrow(SignerError);
        expect(() => provider.open(uri)).toThrow(/^file: (?!.*s3cr3t)[^\n]*character \d+ of the URI\)\.$/);
      }),
      { numRuns: 200 },
    );
  });
});
