/** Key pairs that are created, listed and deleted on a SoftHSM token; public keys from certificates; evidence, and requirements on it. */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { createKey, DPoPProver, listKeys, requireNonExportable, type Signer } from "hardproof";
import { deleteKey, Pkcs11Signer, type Pkcs11SignerOptions, provider } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FaultyPkcs11, faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { selfSigned } from "./self-signed.js";

let hsm: SoftHsm;
let shim: FaultyPkcs11;
beforeAll(async () => {
  hsm = await softHsm({ label: "keys" });
  shim = faultyPkcs11(hsm.module);
  process.env.HARDPROOF_TEST_PIN = hsm.pin;
});
afterAll(async () => {
  shim.close();
  await hsm.close();
});

const uriOf = (path: string) =>
  `pkcs11:token=keys;${path}?module-path=${shim.module}&pin-source=env:HARDPROOF_TEST_PIN`;
const options = (more: Partial<Pkcs11SignerOptions> = {}): Pkcs11SignerOptions => ({
  module: shim.module,
  token: hsm.token,
  key: hsm.key.label,
  pin: hsm.pin,
  ...more,
});
const create = (uri: string): Promise<Signer> => provider.create?.(uri) ?? expect.unreachable();
const list = (uri: string) => listKeys(uri);
const codeOf = (work: Promise<unknown>) => work.then(String, (error) => error.code);
const objects = () =>
  execFileSync(
    "pkcs11-tool",
    [
      "--module",
      hsm.module,
      "--token-label",
      hsm.token,
      "--list-objects",
      "--login",
      "--pin",
      "env:HARDPROOF_TEST_PIN",
    ],
    { encoding: "utf8", stdio: "pipe" },
  ).split(/^(?=\S)/m);

describe("creating a key", () => {
  it("creates a key pair that can't be exported, only signs, and has the requested label and id", async () => {
    await using signer = await create(uriOf("object=created;id=%A1"));
    expect(signer.uri).toBe(`pkcs11:token=keys;object=created;id=%A1?module-path=${shim.module}`);
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    expect(await signer.describe()).toMatchObject({
      exportable: false,
      evidence: {
        CKA_SENSITIVE: true,
        CKA_EXTRACTABLE: false,
        CKA_ALWAYS_SENSITIVE: true,
        CKA_NEVER_EXTRACTABLE: true,
        CKA_LOCAL: true,
        CKA_KEY_GEN_MECHANISM: "CKM_EC_KEY_PAIR_GEN",
      },
    });
    const pair = objects().filter((object) => / created\n/.test(object));
    expect(pair).toHaveLength(2);
    for (const object of pair) expect(object).toMatch(/ID: +a1$/m);
    const privateKey = pair.find((object) => object.startsWith("Private")) ?? "";
    expect(privateKey).toMatch(/Usage: +sign$/m);
    expect(privateKey).toMatch(/Access: +sensitive, always sensitive, never extractable, local$/m);
  });

  it("creates a key pair with a random id by default, which outlives its signer", async () => {
    const [one, other] = [await create(uriOf("object=random")), await create(uriOf("object=random%20too"))];
    const [first, second] = await Promise.all([one.publicJwk(), other.publicJwk()]);
    expect(first).not.toEqual(second);
    const id = /id=(%[0-9A-F]{2}){16}\?/.exec(one.uri ?? "")?.[0];
    expect(id).toBeDefined();
    expect(other.uri).not.toContain(id);
    await Promise.all([one.close(), other.close()]);
    await using again = new Pkcs11Signer(options({ key: "random" }));
    expect(await again.publicJwk()).toEqual(first);
  });

  it("refuses to create a key with a label or an id that the token already has, even if only a public key has it", async () => {
    await hsm.addKey({ label: "orphan", id: "b0", algorithm: "ES256" });
    await hsm.deleteKey({ id: "b0" }, { only: "private" });
    const before = objects().length;
    for (const path of [
      "object=dpop",
      "object=dpop;id=%F0",
      "object=fresh;id=%01",
      "object=orphan",
      "object=fresh;id=%B0",
    ])
      expect(await codeOf(create(uriOf(path)))).toBe("ambiguous-key");
    expect(objects()).toHaveLength(before);
  });

  it.each([
    ["object=dpop", '"dpop" (id 01)', "another label"],
    ["object=fresh;id=%01", '"dpop" (id 01)', "another id"],
  ])(
    "the error for the existing key %s names the key that was found and the requested URI",
    async (path, found, another) => {
      const error = await create(uriOf(path)).then(
        () => expect.unreachable(),
        (reason) => reason,
      );
      expect(error.uri).toBe(`pkcs11:token=keys;${path}?module-path=${shim.module}`);
      const remedy = `Open it (openSigner, hardproof show), or choose ${another}.`;
      expect(error.message).toContain(`The token already has ${found}. ${remedy}`);
    },
  );

  it("creates at most one key pair for two concurrent calls with the same label", async () => {
    const results = await Promise.allSettled([create(uriOf("object=race")), create(uriOf("object=race"))]);
    const created = objects().filter((object) => / race\n/.test(object));
    expect(created.length).toBe(2 * results.filter(({ status }) => status === "fulfilled").length);
    expect(created.length).toBeLessThanOrEqual(2);
  });

  it("creates no key if the caller aborts or the timeout elapses", async () => {
    const before = objects().length;
    const controller = new AbortController();
    // The PIN is read in the middle of the creation.
    const abortingPin = () => {
      controller.abort();
      return hsm.pin;
    };
    const aborted = createKey(uriOf("object=aborted"), { pin: abortingPin, signal: controller.signal });
    expect(await codeOf(aborted)).toBe("aborted");
    const endless = { pin: () => new Promise<string>(() => undefined), timeout: 50 };
    expect(await codeOf(createKey(uriOf("object=too%20late"), endless))).toBe("timeout");
    expect(await codeOf(listKeys(uriOf("object=dpop"), { signal: AbortSignal.abort() }))).toBe("aborted");
    expect(objects()).toHaveLength(before);
  });

  it("keeps the PIN out of the errors of creating, listing and deleting keys", async () => {
    const failing = {
      existing: () => createKey(uriOf("object=dpop"), { pin: hsm.pin }),
      wrong: () => createKey(uriOf("object=never"), { pin: "a wrong secret" }),
      list: () => listKeys(uriOf("object=dpop"), { pin: "a wrong secret" }),
      missing: () => deleteKey(uriOf("id=%FE"), { permanently: true, pin: hsm.pin }),
    };
    for (const fail of Object.values(failing)) {
      const error = await fail().then(
        () => expect.unreachable(),
        (reason) => reason,
      );
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(hsm.pin);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain("a wrong secret");
    }
  });

  it("creating a key requires a label or an id, and the correct PIN", async () => {
    expect(await codeOf(create(`pkcs11:token=keys?module-path=${shim.module}`))).toBe("misconfigured");
    const wrong = provider.create?.(uriOf("object=never"), { pin: "wrong" }) ?? expect.unreachable();
    expect(await codeOf(wrong)).toBe("pin-incorrect");
  });
});

describe("listing keys", () => {
  it("lists each key that can sign, an RSA key with each of its algorithms, and each URI opens its key", async () => {
    await hsm.addKey({ label: "p384", id: "c0", algorithm: "ES384" });
    await hsm.addKey({ label: "rsa", id: "c1", algorithm: "RS256" });
    const uris = await list(`pkcs11:token=keys?module-path=${shim.module}&pin-source=env:HARDPROOF_TEST_PIN`);
    const uriWith = (path: string, algorithm: string) =>
      `pkcs11:token=keys;serial=${hsm.serial};${path}?module-path=${shim.module}&algorithm=${algorithm}`;
    expect(uris).toContain(uriWith("object=dpop;id=%01", "ES256"));
    expect(uris).toContain(uriWith("object=p384;id=%C0", "ES384"));
    for (const algorithm of ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
      expect(uris).toContain(uriWith("object=rsa;id=%C1", algorithm));
    expect(uris.filter((uri) => uri.includes("object=rsa"))).toHaveLength(6);
    expect(uris.join()).not.toMatch(/PIN/);
    for (const uri of uris) {
      await using signer = provider.open(uri, { pin: hsm.pin });
      await expect(signer.sign(Buffer.from("x"))).resolves.toBeInstanceOf(Uint8Array);
      expect(uri.endsWith(`algorithm=${(await signer.publicJwk()).alg}`)).toBe(true);
    }
    expect(await list(`${uriOf("object=rsa")}&algorithm=PS384`)).toEqual([uriWith("object=rsa;id=%C1", "PS384")]);
    expect(await list(`${uriOf("object=p384")}&algorithm=ES256`)).toEqual([]);
    expect(await list(uriOf("object=dpop"))).toHaveLength(1);
    expect(await list(uriOf("object=missing"))).toEqual([]);
  });

  it("listing the keys of a token that doesn't exist fails with key-not-found", async () => {
    expect(await codeOf(list(`pkcs11:token=missing?module-path=${shim.module}`))).toBe("key-not-found");
  });
});

describe("deleting a key", () => {
  it("deletes both objects of a key pair, but only by its id and with `permanently`", async () => {
    await (await create(uriOf("object=doomed;id=%D0"))).close();
    const count = () => objects().filter((object) => / doomed\n/.test(object)).length;
    const permanently = true;
    expect(await codeOf(deleteKey(uriOf("object=doomed"), { permanently }))).toBe("misconfigured");
    expect(await codeOf(deleteKey(uriOf("id=%D0"), { permanently: false }))).toBe("misconfigured");
    expect(await codeOf(deleteKey(uriOf("object=another;id=%D0"), { permanently }))).toBe("key-not-found");
    expect(count()).toBe(2);
    await deleteKey(uriOf("id=%D0"), { permanently });
    expect(count()).toBe(0);
    expect(await codeOf(deleteKey(uriOf("id=%D0"), { permanently }))).toBe("key-not-found");
  });

  it("deletes the key of a signer's options, and nothing if two keys share the id", async () => {
    await hsm.addKey({ label: "one", id: "d1", algorithm: "ES256" });
    await hsm.addKey({ label: "other", id: "d1", algorithm: "ES256" });
    const doomed = options({ key: { id: "d1" } });
    expect(await codeOf(deleteKey(doomed, { permanently: true }))).toBe("ambiguous-key");
    await deleteKey(options({ key: { id: "d1", label: "one" } }), { permanently: true });
    expect(await codeOf(deleteKey(doomed, { permanently: true }))).toBe("undefined");
    expect(objects().join()).not.toMatch(/ID: +d1$/m);
  });
});

describe("a key without a public key object", () => {
  const tool = () => ["--module", hsm.module, "--token-label", hsm.token, "--login", "--pin", "env:HARDPROOF_TEST_PIN"];
  /** Stores the signer's certificate on the token. */
  const writeCertificate = async (signer: Signer, ...args: string[]) => {
    const file = join(hsm.directory, "certificate.der");
    writeFileSync(file, await selfSigned(signer));
    execFileSync("pkcs11-tool", [...tool(), "--write-object", file, "--type", "cert", ...args], { stdio: "pipe" });
  };

  it.each([
    ["its certificate", "E0", ["--id", "e0"]],
    ["a certificate with its label under another id", "E2", ["--id", "0e2e", "--label", "certified E2"]],
  ])("opens a key without a public key object if the token has %s", async (_, id, args) => {
    await using whole = await create(uriOf(`object=certified%20${id};id=%${id}`));
    const publicJwk = await whole.publicJwk();
    await writeCertificate(whole, ...args);
    await hsm.deleteKey({ id }, { only: "public" });
    await using certified = new Pkcs11Signer(options({ key: `certified ${id}` }));
    expect(await certified.publicJwk()).toEqual(publicJwk);
    await expect(certified.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("doesn't return a signature that another key's certificate with the same label doesn't verify", async () => {
    await using whole = await create(uriOf("object=mislabelled;id=%E3"));
    await using other = new Pkcs11Signer(options());
    await writeCertificate(other, "--id", "0e3e", "--label", "mislabelled");
    await hsm.deleteKey({ id: "e3" }, { only: "public" });
    await whole.close();
    await using mislabelled = new Pkcs11Signer(options({ key: "mislabelled" }));
    expect(await codeOf(mislabelled.sign(Buffer.from("x")))).toBe("integrity");
  });

  it("opens a key without a public key object only with the option publicJwk", async () => {
    await using whole = await create(uriOf("object=bare;id=%E1"));
    const publicJwk = await whole.publicJwk();
    await hsm.deleteKey({ id: "e1" }, { only: "public" });
    await using bare = new Pkcs11Signer(options({ key: "bare" }));
    expect(await codeOf(bare.publicJwk())).toBe("key-not-found");
    await using withJwk = new Pkcs11Signer(options({ key: "bare", publicKey: publicJwk }));
    await expect(withJwk.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });
});

describe("evidence", () => {
  it("describes an imported key as not generated on the token, and as possibly exportable", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await hsm.addKey({ label: "imported", id: "f1", privateKey });
    await using signer = new Pkcs11Signer(options({ key: "imported" }));
    expect(await signer.describe()).toMatchObject({
      exportable: "unknown",
      evidence: { CKA_LOCAL: false, CKA_NEVER_EXTRACTABLE: false, CKA_KEY_GEN_MECHANISM: "unavailable" },
    });
    await expect(requireNonExportable(signer)).rejects.toMatchObject({ code: "wrong-key" });
  });

  it("the evidence contains the token's label, serial number, manufacturer, model and firmware, and the kind of slot", async () => {
    await using signer = new Pkcs11Signer(options());
    const { evidence } = await signer.describe();
    expect(evidence).toMatchObject({
      CKF_HW_SLOT: false,
      token: { label: "keys", serial: hsm.serial, manufacturer: "SoftHSM project", model: "SoftHSM v2" },
    });
    expect((evidence.token as { firmware: string }).firmware).toMatch(/^\d+\.\d+$/);
  });
});

describe("a requirement on the key", () => {
  it("a requirement that the key doesn't meet fails before anything is signed", async () => {
    await hsm.addKey({ label: "loose", id: "f0", algorithm: "ES256", extractable: true });
    await using loose = new Pkcs11Signer(options({ key: "loose" }));
    await using soft = new Pkcs11Signer(options());
    const signatures = shim.count("C_Sign");
    const rejection = { code: "wrong-key" };
    await expect(DPoPProver.create(loose, { require: {} })).rejects.toMatchObject(rejection);
    await expect(requireNonExportable(loose)).rejects.toMatchObject(rejection);
    await expect(DPoPProver.create(soft, { require: { protection: ["hsm", "tpm"] } })).rejects.toMatchObject({
      ...rejection,
      message: expect.stringContaining("The key's protection is software (SoftHSM); required is hsm or tpm"),
    });
    expect(shim.count("C_Sign")).toBe(signatures);
  });

  it("a requirement that the key meets returns its thumbprint and lets the prover sign", async () => {
    await using signer = new Pkcs11Signer(options());
    const { jkt } = await requireNonExportable(signer, { protection: ["software"] });
    const prover = await DPoPProver.create(signer, { require: {} });
    expect(prover.jkt).toBe(jkt);
    await expect(prover.makeProof({ htm: "GET", htu: "https://a.example" })).resolves.toMatch(/^ey/);
  });
});
