/** Throw-away tokens: their keys, their attributes, several of them in one process, and what they don't show. */
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { type AlgorithmName, createKey, HardproofError, openSigner, verifySignature } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type KeyOptions, type SoftHsm, type SoftToken, softHsm } from "hardproof/softhsm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { parsePkcs11Uri } from "../../providers/pkcs11/uri.js";
import { keyUri } from "../../softhsm/key-uri.js";
import { runModule } from "./child.js";

afterEach(() => void vi.unstubAllEnvs());

const MESSAGE = Buffer.from("message");
const ALGORITHMS: readonly AlgorithmName[] = [
  ...(["ES256", "ES384", "ES512", "Ed25519"] as const),
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
];

/** Returns the objects that the logged-in user or the public can see, as `pkcs11-tool` prints them. */
function objects(hsm: SoftToken, as: "user" | "public" = "user"): string[] {
  const login = as === "user" ? ["--login", "--pin", "env:PIN"] : [];
  const args = ["--module", hsm.module, "--token-label", hsm.token, "--list-objects", ...login];
  const env = { ...process.env, ...hsm.env, PIN: hsm.pin };
  const listing = execFileSync("pkcs11-tool", args, { env, encoding: "utf8", stdio: "pipe" });
  return listing.split(/^(?=\S)/m).filter((object) => /^(Private|Public) Key/.test(object));
}
const labelled = (hsm: SoftToken, label: string) => objects(hsm).filter((object) => object.includes(` ${label}\n`));

/** Signs with a key that is found by its URI, and returns the key and whether the signature is valid. */
async function signed(hsm: SoftToken, label?: string) {
  await using signer = await openSigner(hsm.uri(label), hsm.access);
  const jwk = await signer.publicJwk();
  return { jwk, valid: verifySignature(jwk, MESSAGE, await signer.sign(MESSAGE)) };
}

const newKey = (type: string, options: object): KeyObject =>
  generateKeyPairSync(type as "ec", options as { namedCurve: string }).privateKey;
const exported = (key: KeyObject, format: "pem" | "der") => key.export({ type: "pkcs8", format: format as "pem" });

describe("keys", () => {
  let hsm: SoftHsm;
  beforeAll(async () => {
    hsm = await softHsm({
      label: "a label; with ü & blanks",
      keys: ALGORITHMS.map((alg) => ({ label: alg, algorithm: alg })),
    });
  });
  afterAll(() => hsm.close());

  it.each(ALGORITHMS)("generates a key for %s, whose URI opens it", async (alg) => {
    const { jwk, valid } = await signed(hsm, alg);
    expect(jwk.alg).toBe(alg);
    expect(await valid).toBe(true);
  });

  it("opens a key by the options of Pkcs11Signer", async () => {
    await using signer = new Pkcs11Signer(hsm.signerOptions("PS384"));
    expect(await signer.publicJwk()).toMatchObject({ alg: "PS384" });
  });

  it.each([
    ["a key object", "ES256", newKey("ec", { namedCurve: "P-256" }), (key: KeyObject) => key],
    ["PEM", "ES384", newKey("ec", { namedCurve: "P-384" }), (key: KeyObject) => exported(key, "pem")],
    ["DER", "ES512", newKey("ec", { namedCurve: "P-521" }), (key: KeyObject) => exported(key, "der")],
    ["bytes", "Ed25519", newKey("ed25519", {}), (key: KeyObject) => new Uint8Array(Buffer.from(exported(key, "der")))],
    ["PEM", "RS256", newKey("rsa", { modulusLength: 2048 }), (key: KeyObject) => exported(key, "pem")],
    [
      "SEC 1",
      "ES256",
      newKey("ec", { namedCurve: "P-256" }),
      (key: KeyObject) => key.export({ type: "sec1", format: "pem" }),
    ],
  ] as const)("imports a private key as %s, for %s", async (_, alg, privateKey, form) => {
    const { label } = await hsm.addKey({ label: `imported ${hsm.keys.length}`, privateKey: form(privateKey) });
    const { jwk, valid } = await signed(hsm, label);
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicHalf } = privateKey.export({ format: "jwk" });
    expect(jwk).toMatchObject({ ...publicHalf, alg });
    expect(await valid).toBe(true);
  });

  it("imports an RSA key for the algorithm that its URI shall name", async () => {
    const privateKey = newKey("rsa", { modulusLength: 2048 });
    await hsm.addKey({ label: "pss", privateKey, algorithm: "PS512" });
    expect((await signed(hsm, "pss")).jwk.alg).toBe("PS512");
  });

  it("generates a key that may only sign, and that isn't extractable", async () => {
    const [privateKey, publicKey] = labelled(hsm, "RS256").sort();
    expect(privateKey).toMatch(/^Private Key Object; RSA/);
    expect(privateKey).toMatch(/Usage: +sign$/m);
    expect(privateKey).toMatch(/Access: +sensitive, always sensitive, never extractable, local$/m);
    expect(publicKey).toMatch(/^Public Key Object; RSA 2048 bits/);
    expect(objects(hsm, "public").join()).not.toContain("Private Key");
  });

  it("sets the attributes that are chosen", async () => {
    await hsm.addKey({ label: "loose", id: "A0", extractable: true });
    await hsm.addKey({ label: "careful", alwaysAuthenticate: true });
    await hsm.addKey({ label: "half", publicObject: false });
    await hsm.addKey({ label: "half imported", privateKey: newKey("ed25519", {}), publicObject: false });
    await hsm.addKey({ label: "long", algorithm: "RS256", modulusLength: 3072, mechanisms: [0x1] });
    expect(labelled(hsm, "loose").join()).toMatch(/ID: +a0$.*sensitive, extractable, local/ms);
    expect(labelled(hsm, "careful").join()).toContain("always authenticate");
    expect(labelled(hsm, "half")).toEqual([expect.stringContaining("Private Key")]);
    expect(labelled(hsm, "half imported")).toEqual([expect.stringContaining("Private Key")]);
    expect(labelled(hsm, "long").join()).toMatch(/RSA 3072 bits/);
    expect(labelled(hsm, "long").join()).toMatch(/Allowed mechanisms: RSA-PKCS$/m);
  });

  it("deletes a key, or one half of it, and then reports that it doesn't exist", async () => {
    const { id } = await hsm.addKey({ label: "lost" });
    await hsm.deleteKey({ id }, { only: "public" });
    expect(labelled(hsm, "lost")).toEqual([expect.stringContaining("Private Key")]);
    await hsm.deleteKey("lost");
    expect(labelled(hsm, "lost")).toEqual([]);
    expect(hsm.keys.map(({ label }) => label)).not.toContain("lost");
    await expect(hsm.deleteKey("lost")).rejects.toMatchObject({ code: "key-not-found" });
  });

  it("has the URI of a key that the program under test creates", async () => {
    await using created = await createKey(hsm.uri("created"), hsm.access);
    expect((await signed(hsm, "created")).jwk).toEqual(await created.publicJwk());
  });

  it("gives each key a free id, and selects keys with the same label by their ids", async () => {
    const keys = [await hsm.addKey({ label: "twin" }), await hsm.addKey({ label: "twin" })];
    expect(new Set(hsm.keys.map(({ id }) => id)).size).toBe(hsm.keys.length);
    expect(() => hsm.uri("twin")).toThrow(expect.objectContaining({ code: "ambiguous-key" }));
    const uris = keys.map((key) => hsm.uri(key));
    expect(new Set(uris).size).toBe(2);
  });
});

describe("options", () => {
  const pkcs8 = exported(newKey("ec", { namedCurve: "P-256" }), "pem") as string;
  it.each([
    [
      "an algorithm that SoftHSM doesn't have",
      { label: "k", algorithm: "ML-DSA-44" },
      /SoftHSM doesn't have keys for ML-DSA-44/,
    ],
    ["an unknown algorithm", { label: "k", algorithm: "constructor" as "ES256" }, /doesn't have keys for constructor/],
    ["a label that isn't a text", { label: "" }, /label of a key must be a text/],
    ["no options", null as unknown as KeyOptions, /A key must be an object/],
    ["an id that isn't hexadecimal", { label: "k", id: "1" }, /pairs of hexadecimal digits/],
    ["a length for an EC key", { label: "k", modulusLength: 2048 }, /modulusLength is only for RSA keys/],
    ["a length that isn't possible", { label: "k", algorithm: "RS256", modulusLength: 100 }, /from 512 to 16384/],
    [
      "a length for an imported key",
      { label: "k", privateKey: pkcs8, modulusLength: 2048 },
      /modulusLength can't be chosen/,
    ],
    ["a public key", { label: "k", privateKey: generateKeyPairSync("ed25519").publicKey }, /is a public key/],
    ["a key of another type", { label: "k", privateKey: newKey("x25519", {}) }, /its type is x25519/],
    [
      "a curve without a JSON Web Key",
      { label: "k", privateKey: newKey("ec", { namedCurve: "P-224" }) },
      /its type is ec/,
    ],
    [
      "another key than the algorithm's",
      { label: "k", privateKey: pkcs8, algorithm: "ES384" },
      /key for P-256, but algorithm is ES384/,
    ],
    ["PEM that isn't a key", { label: "k", privateKey: "secret-bytes" }, /isn't an unencrypted private key in PEM\.$/],
    ["DER that isn't a key", { label: "k", privateKey: Buffer.from("secret-bytes") }, /private key in DER/],
  ] satisfies [string, KeyOptions, RegExp][])("rejects %s, and makes nothing", async (_, key, message) => {
    const error = await softHsm({ keys: [key] }).catch((reason) => reason);
    expect(error).toMatchObject({
      name: "SignerError",
      code: "misconfigured",
      message: expect.stringMatching(message),
    });
    expect(inspect(error)).not.toContain("secret-bytes");
  });

  it.each([
    [{ label: "" }],
    [{ label: "ü".repeat(17) }],
    [{ label: "blank " }],
    [{ label: "line\nbreak" }],
    [{ label: "\ud800" }],
    [{ pin: "abc" }],
    [{ pin: "x".repeat(256) }],
    [{ pin: "12\n34" }],
    [{ soPin: "abc" }],
    [{ keys: {} as KeyOptions[] }],
  ])("rejects %j, and doesn't repeat a PIN", async (options) => {
    const error = await softHsm(options).catch((reason) => reason);
    expect(error).toMatchObject({ code: "misconfigured" });
    if ("pin" in options || "soPin" in options) expect(inspect(error)).not.toMatch(/abc|12\n34|xxx/);
  });

  it("has no key if none is wanted, and uses the PINs that are chosen", async () => {
    await using hsm = await softHsm({ keys: [], pin: "a PIN: ü", soPin: "another" });
    expect([hsm.pin, hsm.soPin]).toEqual(["a PIN: ü", "another"]);
    expect(() => hsm.key).toThrow(expect.objectContaining({ code: "key-not-found" }));
    await using signer = await createKey(hsm.uri("new"), hsm.access);
    await expect(signer.sign(MESSAGE)).resolves.toHaveLength(64);
  });
});

it.each(["#", "=", "\n"])("rejects a temporary directory with %j, which SoftHSM would cut off", async (character) => {
  const parent = mkdtempSync(join(tmpdir(), `hardproof-${character}-`));
  vi.stubEnv("TMPDIR", parent);
  await expect(softHsm()).rejects.toMatchObject({ code: "misconfigured", message: expect.stringContaining("TMPDIR") });
  expect(readdirSync(parent)).toEqual([]);
  rmSync(parent, { recursive: true });
});

it("uses a temporary directory with blanks, and one that is relative", async () => {
  const parent = mkdtempSync(join(tmpdir(), "hardproof blank ü-"));
  for (const path of [parent, relative(process.cwd(), parent)]) {
    vi.stubEnv("TMPDIR", path);
    await using hsm = await softHsm();
    expect(await (await signed(hsm)).valid).toBe(true);
  }
  expect(readdirSync(parent)).toEqual([]);
  rmSync(parent, { recursive: true });
});

describe("arguments of another type", () => {
  const values = [null, 0, 7, "", true, [], [null], {}, { id: "xyz" }, { label: 7 }, "\ud800"] as unknown[];
  it("cause no error of another class, and delete nothing", async () => {
    await using hsm = await softHsm();
    const calls: ((value: never) => unknown)[] = [
      (value) => softHsm({ keys: value }),
      (value) => hsm.addKey(value),
      (value) => hsm.addKey({ label: "k", privateKey: value }),
      (value) => hsm.addKey({ label: "k", id: value }),
      (value) => hsm.uri(value),
      (value) => hsm.signerOptions(value),
      (value) => hsm.deleteKey(value),
    ];
    for (const value of [...values, { label: "dpop", id: 1 }])
      for (const call of calls) {
        const error = await (async () => call(value as never))().catch((reason: unknown) => reason);
        if (error instanceof Error) expect(error).toBeInstanceOf(HardproofError);
      }
    for (const value of [null, 7, "x"])
      await expect(softHsm(value as never)).rejects.toMatchObject({ code: "misconfigured" });
    expect(labelled(hsm, "dpop")).toHaveLength(2);
  });
});

it("its URIs select any token, key and library, whatever their names are", () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 32 });
  const withoutPadding = (value: string) => value.replace(/[ \0]+$/, "");
  const label = text.filter((value) => withoutPadding(value) !== "");
  const hex = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString("hex"));
  const path = text.filter((name) => !name.includes("\0")).map((name) => `/${name}`);
  fc.assert(
    fc.property(label, text, text, hex, path, path, (label, serial, object, id, module, pinFile) => {
      const parsed = parsePkcs11Uri(
        keyUri({ label, serial, module, pinFile }, { label: object, id, algorithm: "PS256" }),
      );
      expect(parsed.token).toMatchObject({ label: withoutPadding(label) });
      expect(parsed.key).toEqual({ label: object, id: Buffer.from(id, "hex") });
      expect(parsed).toMatchObject({ module, pin: { file: pinFile }, algorithm: "PS256", showsPin: false });
    }),
  );
});

describe("several tokens", () => {
  it("are made in one directory, with one configuration", async () => {
    const privateKey = newKey("ec", { namedCurve: "P-256" });
    await using hsm = await softHsm({ label: "site-a", keys: [{ label: "shared", privateKey }] });
    await using holder = await openSigner(hsm.uri(), hsm.access);
    const jwk = await holder.publicJwk();
    const others = [
      await hsm.addToken({ label: "site-b", pin: "another PIN", keys: [{ label: "shared", privateKey }] }),
      await hsm.addToken({ label: "site-b" }),
    ];
    expect(new Set([hsm, ...others].map(({ serial }) => serial)).size).toBe(3);
    const keys = [];
    for (const token of others) keys.push((await signed(token)).jwk);
    expect(keys[0]).toEqual(jwk);
    expect(keys[1]?.x).not.toBe(jwk.x);
    await expect(holder.sign(MESSAGE)).resolves.toHaveLength(64);
  });

  it("are in separate processes if two are open at the same time, and both sign", async () => {
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    await using one = await softHsm({ label: "same label" });
    await using other = await softHsm({ label: "same label" });
    expect([one.isolate, other.isolate]).toEqual([false, true]);
    expect(process.env.SOFTHSM2_CONF).toBe(one.env.SOFTHSM2_CONF);
    const signers = [await openSigner(one.uri(), one.access), new Pkcs11Signer(other.signerOptions())];
    const keys = await Promise.all(signers.map((signer) => signer.publicJwk()));
    expect(keys[0]?.x).not.toBe(keys[1]?.x);
    await Promise.all(signers.map((signer) => signer.sign(MESSAGE)));
    await Promise.all(signers.map((signer) => signer.close()));
  });

  it("may follow each other in one process, without a separate one", async () => {
    const keys = new Set<string | undefined>();
    for (let round = 0; round < 5; round++) {
      await using hsm = await softHsm();
      expect(hsm.isolate).toBe(false);
      await using signer = new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin });
      keys.add((await signer.publicJwk()).x);
    }
    expect(keys.size).toBe(5);
  });

  it("are in separate processes where process.env is a proxy, as in Jest, which no library sees", async () => {
    const { output, errors } = await runModule(`
      import { openSigner } from "hardproof";
      import { softHsm } from "hardproof/softhsm";
      const real = process.env;
      process.env = new Proxy({ ...real }, {});
      const hsm = await softHsm();
      const signer = await openSigner(hsm.uri(), hsm.access);
      console.log(hsm.isolate, (await signer.sign(Buffer.from("x"))).length, real.SOFTHSM2_CONF === process.env.SOFTHSM2_CONF);
      await signer.close();
      await hsm.close();`);
    expect(errors).toBe("");
    expect(output).toBe("true 64 true");
  });

  it("leave a configuration alone that the process has already loaded", async () => {
    const { output, errors } = await runModule(
      `
      import { createRequire } from "node:module";
      import { openSigner } from "hardproof";
      import { softHsm } from "hardproof/softhsm";
      const { PKCS11 } = createRequire(process.cwd() + "/")("pkcs11js");
      const own = new PKCS11();
      own.load(process.env.LIBRARY);
      own.C_Initialize();
      const labels = () => own.C_GetSlotList(true).map((slot) => own.C_GetTokenInfo(slot).label.trim());
      const before = process.env.SOFTHSM2_CONF;
      const hsm = await softHsm({ label: "beside" });
      const signer = await openSigner(hsm.uri(), hsm.access);
      await signer.sign(Buffer.from("x"));
      console.log(hsm.isolate, process.env.SOFTHSM2_CONF === before, labels().join());
      await signer.close();
      await hsm.close();
      own.C_Finalize();`,
      await ownConfiguration(),
    );
    expect(errors).toBe("");
    expect(output).toBe("true true users own,");
  });

  /** The environment of a user with a token of their own. */
  async function ownConfiguration() {
    const hsm = await softHsm({ label: "users own" });
    afterAll(() => hsm.close());
    return { ...hsm.env, LIBRARY: hsm.module };
  }
});

it("a closed token refuses further keys", async () => {
  const hsm = await softHsm();
  await hsm.close();
  for (const change of [hsm.addKey({ label: "k" }), hsm.deleteKey("dpop"), hsm.addToken()])
    await expect(change).rejects.toMatchObject({ message: "SoftHSM: The token was closed." });
});

describe("secrets", () => {
  it("neither the token nor its options show a PIN", async () => {
    await using hsm = await softHsm({ pin: "secret-pin", soPin: "secret-so-pin" });
    const other = await hsm.addToken({ pin: "secret-pin" });
    for (const shown of [hsm, other, hsm.signerOptions(), hsm.access, hsm.uri()])
      expect(inspect(shown, { depth: 20, showHidden: true }) + JSON.stringify(shown)).not.toMatch(/secret/);
  });

  it("no command line and no environment of the process that makes tokens contains a PIN or a key", async () => {
    await using hsm = await softHsm({ pin: "secret-pin", soPin: "secret-so-pin" });
    const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").trim().split(" ");
    const seen = children.map((pid) =>
      ["cmdline", "environ"].map((file) => readFileSync(`/proc/${pid}/${file}`, "utf8")),
    );
    expect(seen.join()).toContain("softhsm/program");
    expect(seen.join()).not.toContain("secret-");
    expect(hsm.pin).toBe("secret-pin");
  });

  it("the library's own error contains no PIN, and nothing is left", async () => {
    const parent = mkdtempSync(join(tmpdir(), "hardproof-test-"));
    // SoftHSM reads at most 1,024 characters of a line of its configuration.
    const deep = join(parent, ...Array(6).fill("x".repeat(250)));
    mkdirSync(deep, { recursive: true });
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    vi.stubEnv("TMPDIR", deep);
    const error = await softHsm({ pin: "secret-pin", soPin: "secret-so-pin" }).catch((reason) => reason);
    expect(error).toMatchObject({
      code: "unexpected",
      message: expect.stringMatching(/^SoftHSM: C_\w+ returned CKR_/),
    });
    expect(inspect(error)).not.toContain("secret-");
    expect(process.env.SOFTHSM2_CONF).toBe("/home/user/softhsm2.conf");
    expect(readdirSync(deep)).toEqual([]);
    rmSync(parent, { recursive: true });
  });

  it("imports a key that no process can then read from the token's files", async () => {
    const privateKey = createPrivateKey(exported(newKey("ec", { namedCurve: "P-256" }), "pem") as string);
    await using hsm = await softHsm({ keys: [{ label: "k", privateKey }] });
    const files = readdirSync(hsm.directory, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const bytes = Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
    const { d = "" } = privateKey.export({ format: "jwk" });
    expect(bytes.length).toBeGreaterThan(1000);
    expect(bytes.includes(Buffer.from(d, "base64url"))).toBe(false);
  });
});
