/** `hardproof keygen`, `keys`, `show` and `proof` with keys in SoftHSM, in a file and in memory. */
import { createPublicKey } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALGORITHM_NAMES, openSigner, registerProvider, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { streamFromStore } from "hardproof/provider";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { calculateJwkThumbprint, createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { run } from "./run.js";

const url = "https://api.example.com/resource";
let hsm: SoftHsm;
let store: string;
let key: string;
beforeAll(async () => {
  hsm = await softHsm({ label: "command" });
  process.env.CLI_PIN = hsm.pin;
  store = `pkcs11:token=command?module-path=${hsm.module}&pin-source=env:CLI_PIN`;
  key = `pkcs11:token=command;object=made?module-path=${hsm.module}&pin-source=env:CLI_PIN`;
});
afterAll(() => hsm.close());

describe("a key in SoftHSM", () => {
  let jkt: string;

  it("keygen prints only the new key's URI on standard output", async () => {
    const { code, out, err } = await run(["keygen", key]);
    expect(code).toBe(0);
    expect(out).toMatch(/^pkcs11:token=command;object=made;id=\S+\n$/);
    expect(err).toMatch(/exportable: false/);
    jkt = /thumbprint (\S+)/.exec(err)?.[1] ?? expect.unreachable();
  });

  it("keygen and keys say that their URIs need the PIN's source, only if it is needed", async () => {
    const hint = "add the PIN's source at its end: &pin-source=env:NAME\n";
    const hinted = await run(["keygen", key.replace("made", "hinted")]);
    expect(hinted.err).toContain(hint);
    const used = `${hinted.out.trim()}&pin-source=env:CLI_PIN`;
    expect(await run(["show", used])).toMatchObject({ code: 0 });
    expect((await run(["keys", store])).err).toContain(hint);
    expect((await run(["keys", store, "--json"])).err).toBe("");
    expect(await run(["delete", used, "--yes"])).toMatchObject({ code: 0 });
    const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
    expect((await run(["keygen", `file://${directory}/k.pem`])).err).not.toContain("pin-source");
    rmSync(directory, { recursive: true });
  });

  it("keys lists the new key together with the existing one", async () => {
    const { code, out } = await run(["keys", store]);
    expect(code).toBe(0);
    const uris = out.trimEnd().split("\n"); // sorted, since SoftHSM returns them in any order
    expect(uris).toEqual([expect.stringContaining("object=dpop"), expect.stringContaining("object=made")]);
    expect(JSON.parse((await run(["keys", store, "--json"])).out).keys).toEqual(uris);
  });

  it("show prints the evidence", async () => {
    const { code, out } = await run(["show"], { env: { HARDPROOF_KEY: key } });
    expect(code).toBe(0);
    expect(out).toContain(jkt);
    expect(out).toMatch(/^exportable +no, as reported by the store$/m);
    expect(out).toMatch(/^ +CKA_NEVER_EXTRACTABLE +true$/m);
    expect(out).toContain("-----BEGIN PUBLIC KEY-----");
    expect(out).not.toContain(hsm.pin);
  });

  it("show --json prints the same key as PEM and JWK", async () => {
    const shown = JSON.parse((await run(["show", key, "--json"])).out);
    const members = createPublicKey(shown.pem).export({ format: "jwk" });
    expect(shown.jwk).toEqual({ ...members, alg: "ES256", kid: jkt, use: "sig" });
    expect(await calculateJwkThumbprint(shown.jwk)).toBe(jkt);
    expect(shown).toMatchObject({ jkt, exportable: false, provider: "pkcs11" });
  });

  it("show --only prints only that part", async () => {
    const { pem, jwk } = JSON.parse((await run(["show", key, "--json"])).out);
    const only = async (part: string) => (await run(["show", key, "--only", part])).out;
    expect(await only("jkt")).toBe(`${jkt}\n`);
    expect(await only("pem")).toBe(pem);
    expect(JSON.parse(await only("jwk"))).toEqual(jwk);
    expect(JSON.parse(await only("jwks"))).toEqual({ keys: [jwk] });
  });

  it("proof signs a proof that verify accepts", async () => {
    const { code, out } = await run(["proof", key, "POST", url, "--nonce", "n-1"]);
    expect(code).toBe(0);
    const expected = ["--method", "POST", "--url", url, "--nonce", "n-1", "--jkt", jkt];
    expect(await run(["verify", out.trim(), ...expected])).toMatchObject({ code: 0 });
  });

  it("ends with exit code 3 for a wrong PIN, and never prints it", async () => {
    process.env.CLI_WRONG = "a wrong pin";
    const { code, out, err } = await run(["show", key.replace("CLI_PIN", "CLI_WRONG")]);
    expect(code).toBe(3);
    expect(err).toMatch(/^hardproof: .*\n$/);
    expect(out + err).not.toContain("a wrong pin");
  });

  it("ends with exit code 3 for a missing key, and names the key in the JSON document", async () => {
    const { code, out } = await run(["show", "--json", key.replace("made", "missing")]);
    expect(code).toBe(3);
    expect(JSON.parse(out).error).toMatchObject({
      code: "key-not-found",
      retryable: false,
      uri: expect.stringContaining("missing"),
    });
  });
});

describe("the tokens of a PKCS#11 library", () => {
  const library = (token = "") => `pkcs11:${token}?module-path=${hsm.module}`;

  it("keys --tokens lists them without a PIN, and with a URI whose keys can be listed", async () => {
    const { code, out, err } = await run(["keys", "--tokens", library()]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(
      /^pkcs11:token=command;serial=\w+\?module-path=\S+\n +label +command\n +serial +\w+\n +made by +SoftHSM project, SoftHSM v2, firmware \S+\n +slot +\d+\n +protection +software: SoftHSM\n +login +required\n +PIN +set; the token doesn't report a wrong one$/m,
    );
    expect(out).toMatch(/^ +state +not initialised: it can't have keys yet$/m);
    const [uri = ""] = /^pkcs11:token=command\S+/m.exec(out) ?? [];
    expect((await run(["keys", `${uri}&pin-source=env:CLI_PIN`])).out).toContain("object=made");
    expect(out).not.toContain(hsm.pin);
  });

  it("keys --tokens --json prints what the token reports, and the URI narrows the list", async () => {
    const { tokens } = JSON.parse((await run(["keys", "--tokens", "--json", library("token=command")])).out);
    expect(tokens).toEqual([
      {
        uri: expect.stringMatching(/^pkcs11:token=command;serial=\w+\?/),
        label: "command",
        serial: hsm.serial,
        manufacturer: "SoftHSM project",
        model: "SoftHSM v2",
        firmware: expect.any(String),
        slot: expect.any(Number),
        initialized: true,
        loginRequired: true,
        pin: "set",
        pinPad: false,
        writeProtected: false,
        protection: "software",
        software: "SoftHSM",
      },
    ]);
    const none = await run(["keys", "--tokens", library("token=missing")]);
    expect(none).toMatchObject({ code: 0, out: "" });
    expect(none.err).toBe(
      `No token was found that matches the URI. The store has command (serial ${hsm.serial}), a token that isn't initialised (slot 1).\n`,
    );
    const asJson = await run(["keys", "--tokens", "--json", library("token=missing")]);
    expect(JSON.parse(asJson.out)).toEqual({ tokens: [] });
  });

  it("keys --tokens reports a wrong PIN that was tried, and neither reads nor tries one", async () => {
    process.env.CLI_WRONG = "not the pin";
    await run(["show", key.replace("CLI_PIN", "CLI_WRONG")]);
    const uri = `${library("token=command")}&pin-source=env:CLI_UNSET_PIN`;
    for (let times = 0; times < 3; times += 1)
      expect(await run(["keys", "--tokens", uri])).toMatchObject({
        code: 0,
        out: expect.stringContaining("set; the token reports that a wrong one was tried"),
      });
    expect(await run(["show", key])).toMatchObject({ code: 0 });
  });
});

describe("keys that a store finds one after another", () => {
  const call = { uri: "listing:", operation: "listing the keys", timeout: 60_000 };
  const clear = "\r\u001b[K";
  /** What the store waits for after it has found the key. */
  let after: { b?: Promise<void>; a?: Promise<void> };
  let failure: Error | undefined;
  beforeAll(() => {
    const list = () =>
      streamFromStore(call, async function* () {
        yield ["listing:b"];
        await after.b;
        if (failure) throw failure;
        yield ["listing:a"];
        await after.a;
      });
    registerProvider({ scheme: "listing", open: () => MemorySigner.generate(), list });
  });
  beforeEach(() => {
    after = {};
    failure = undefined;
  });
  /** Returns a listener of printed chunks, and a promise that resolves when one contains the text. */
  const until = (expected: string) => {
    let listener: (text: string) => void = () => undefined;
    const seen = new Promise<void>((resolve) => {
      listener = (text) => text.includes(expected) && resolve();
    });
    return { seen, listener };
  };

  it("keys prints the first one before the store has found the next one, in the store's order", async () => {
    const { seen, listener } = until("listing:b\n");
    after = { b: seen };
    const result = await run(["keys", "listing:"], { onOutput: listener });
    expect(result).toEqual({ code: 0, out: "listing:b\nlisting:a\n", err: "" });
  });

  it("keys removes the waiting line of a terminal when it prints the next key", async () => {
    const [waiting, cleared] = [until("Waiting for the key store listing:"), until(clear)];
    after = { b: waiting.seen, a: waiting.seen.then(() => cleared.seen) };
    const onError = (text: string) => (text === clear ? cleared : waiting).listener(text);
    const result = await run(["keys", "listing:"], { columns: 80, onError });
    const err = `${clear}Waiting for the key store listing:${clear}`;
    expect(result).toEqual({ code: 0, out: "listing:b\nlisting:a\n", err });
  });

  it("keys --json prints one document, sorted", async () => {
    const { out } = await run(["keys", "listing:", "--json"]);
    expect(JSON.parse(out)).toEqual({ keys: ["listing:a", "listing:b"] });
  });

  it("keys prints an error after the keys that were found before it, and ends with its exit code", async () => {
    failure = new SignerError("unavailable", "The store is gone.");
    const err = "hardproof: listing:: The store is gone.\n";
    expect(await run(["keys", "listing:"])).toEqual({ code: 3, out: "listing:b\n", err });
    const { code, out } = await run(["keys", "listing:", "--json"]);
    expect({ code, document: JSON.parse(out) }).toMatchObject({
      code: 3,
      document: { error: { code: "unavailable" } },
    });
  });
});

describe("the algorithm of a key", () => {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each(["ES384", "Ed25519", "PS256"])(
    "keygen --alg %s creates a key whose registration verifies its assertions",
    async (alg) => {
      const uri = `file://${directory}/${alg}.pem`;
      const { code, out, err } = await run(["keygen", uri, "--alg", alg]);
      expect([code, /^algorithm +(\S+)$/m.exec(err)?.[1]]).toEqual([0, alg]);
      const key = out.trim();
      const jwks = JSON.parse((await run(["show", key, "--only", "jwks"])).out);
      await using signer = await openSigner(key);
      const { jkt: kid } = await signer.describe();
      const data = `${encoded({ alg, kid })}.${encoded({ sub: "my-agent" })}`;
      const signature = Buffer.from(await signer.sign(Buffer.from(data))).toString("base64url");
      const { payload } = await jwtVerify(`${data}.${signature}`, createLocalJWKSet(jwks));
      expect(payload).toEqual({ sub: "my-agent" });
    },
  );

  it("keygen --help lists the algorithms", async () => {
    const { out } = await run(["keygen", "--help"]);
    for (const alg of ALGORITHM_NAMES) expect(out).toContain(alg);
  });
});

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

describe("an access token for a proof", () => {
  const accessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"; // RFC 9449 §7.1
  const ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
  const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
  const file = join(directory, "token");
  writeFileSync(file, `${accessToken}\n`);
  afterAll(() => rmSync(directory, { recursive: true }));

  it.each([
    ["standard input", ["--token", "-"], { stdin: `${accessToken}\n` }],
    ["the environment", ["--token-env", "ACCESS_TOKEN"], { env: { ACCESS_TOKEN: accessToken } }],
    ["a file", ["--token-file", file], {}],
  ])("reads the access token from %s", async (_, args, options) => {
    const { out } = await run(["proof", "memory:", "GET", url, ...args], options);
    expect(decodeJwt(out.trim()).ath).toBe(ath);
  });

  it("accepts only one source for the access token", async () => {
    const { code, err } = await run(["proof", "memory:", "GET", url, "--token", "-", "--token-env", "X"]);
    expect(code).toBe(2);
    expect(err).toBe("hardproof: Use only one of --token -, --token-env and --token-file.\n");
  });

  it.each([
    [["--token-env", "UNSET"], "is not set"],
    [["--token", "-"], "is empty"],
    [["--token-file", "/nowhere"], "can't be read (ENOENT)"],
  ])("reports that the access token can't be read: %j", async (args, problem) => {
    const { code, err } = await run(["proof", "memory:", "GET", url, ...args]);
    expect(code).toBe(2);
    expect(err).toContain(problem);
  });
});

describe("a proof", () => {
  it("signs with the key of HARDPROOF_KEY by default", async () => {
    const { out } = await run(["proof", "GET", url, "--json"], { env: { HARDPROOF_KEY: "memory:" } });
    const { proof } = JSON.parse(out);
    expect(decodeJwt(proof)).toMatchObject({ htm: "GET", htu: url });
  });

  it("requires a key, a method and a URL", async () => {
    expect(await run(["proof", "GET", url])).toMatchObject({ code: 2 });
    expect(await run(["proof", "a", "b", "c", "d"])).toMatchObject({ code: 2 });
    expect(await run(["proof", "GET"])).toMatchObject({ code: 2 });
  });
});

describe("a key in a file", () => {
  it("creates a key file, shows it, and never overwrites it", async () => {
    const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
    const uri = `file://${directory}/dpop.pem`;
    expect(await run(["keygen", uri])).toMatchObject({ code: 0 });
    const pem = readFileSync(`${directory}/dpop.pem`, "utf8");
    const { out } = await run(["show", uri]);
    expect(out).toMatch(/^exportable +YES$/m);
    expect(out).not.toContain("PRIVATE");
    expect(await run(["keygen", uri])).toMatchObject({ code: 2, err: expect.stringMatching(/not overwritten/) });
    expect(readFileSync(`${directory}/dpop.pem`, "utf8")).toBe(pem);
    rmSync(directory, { recursive: true });
  });
});

describe("keygen --alg", () => {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
  afterAll(() => rmSync(directory, { recursive: true }));

  it("creates an RSA key, whose printed URI opens it with its algorithm", async () => {
    const { code, out: uri, err } = await run(["keygen", "--alg", "PS256", `file://${directory}/rsa.pem`]);
    expect({ code, uri }).toEqual({ code: 0, uri: `file://${directory}/rsa.pem?algorithm=PS256\n` });
    expect(err).toMatch(/^algorithm +PS256$/m);
    const shown = await run(["show", uri.trim()]);
    expect(shown.out).toMatch(/^algorithm +PS256$/m);
    const { out: proof } = await run(["proof", uri.trim(), "GET", "https://api.example.com/resource"]);
    expect(await run(["verify", proof.trim()])).toMatchObject({ code: 0, out: expect.stringMatching(/alg +PS256/) });
  });

  it("says how to choose the algorithm of an RSA key", async () => {
    const { code, err } = await run(["show", `file://${directory}/rsa.pem`]);
    expect(code).toBe(2);
    expect(err).toContain("Set algorithm (in a URI: ?algorithm=…) to one of RS256, RS384, RS512, PS256, PS384, PS512.");
  });

  it.each([
    ["Ed25519", "algorithm=Ed25519", undefined],
    [
      "ES256",
      "passphrase-source=env:P&algorithm=Ed25519",
      "--alg is ES256, but the URI's attribute algorithm is Ed25519.",
    ],
    ["Ed25519", "algorithm=EdDSA", "--alg is Ed25519, but the URI's attribute algorithm is another value."],
    ["ES256", "algorithm=hunter2", "--alg is ES256, but the URI's attribute algorithm is another value."],
  ])("with --alg %s and a URI with %s: %s", async (alg, query, problem) => {
    const file = `${directory}/both-${alg}.pem`;
    const { code, err } = await run(["keygen", "--alg", alg, `file://${file}?${query}`]);
    expect(code).toBe(problem === undefined ? 0 : 2);
    expect(err).toContain(problem ?? `algorithm  ${alg}`);
    expect(err).not.toContain("hunter2");
    expect(existsSync(file)).toBe(problem === undefined);
    rmSync(file, { force: true });
  });

  it("rejects an algorithm that it doesn't know, or that the store can't make", async () => {
    expect(await run(["keygen", "--alg", "HS256", `file://${directory}/k.pem`])).toMatchObject({ code: 2 });
    const keyInGcp = "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k";
    const { code, err } = await run(["keygen", "--alg", "ES512", keyInGcp]);
    const problem = "can't create keys for ES512. Set algorithm (in the command: --alg) to one of ES256, ES384, ";
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(problem) });
  });
});

describe("a third-party provider", () => {
  const provider = new URL("./third-party.mjs", import.meta.url).pathname;

  it("loads a third-party provider only if it is named", async () => {
    expect(await run(["show", "thirdparty:k", "--only", "jkt"])).toMatchObject({ code: 2 });
    const { code, out } = await run(["show", "thirdparty:k", "--only", "jkt", "--provider", provider]);
    expect(code).toBe(0);
    const signer = await openSigner("thirdparty:k");
    expect(out.trim()).toBe((await signer.describe()).jkt);
  });

  it("recognises a provider's own copy of SignerError", async () => {
    const { code, err } = await run(["show", "thirdparty:locked"]);
    expect({ code, err }).toEqual({ code: 3, err: "hardproof: The store is locked.\n" });
    const { out } = await run(["doctor", "thirdparty:locked", "--json"]);
    expect(JSON.parse(out).findings.at(-1)).toMatchObject({ ok: false, found: "pin-locked" });
  });

  it("reports a provider that isn't installed in one line", async () => {
    const { code, err } = await run(["show", "x:k"], { env: { HARDPROOF_PROVIDERS: "@example/missing" } });
    expect(code).toBe(2);
    expect(err).toMatch(
      /^hardproof: The provider @example\/missing can't be loaded\. Is it installed beside hardproof\? Error ERR_MODULE_NOT_FOUND: .*@example\/missing.*\n$/,
    );
  });
});

it("warns about a PIN in a URI", async () => {
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  await run(["show", `pkcs11:token=command;object=made?module-path=${hsm.module}&pin-value=${hsm.pin}`]);
  expect(warned).toHaveBeenCalledOnce();
  expect(JSON.stringify(warned.mock.calls)).not.toContain(hsm.pin);
  warned.mockRestore();
});
