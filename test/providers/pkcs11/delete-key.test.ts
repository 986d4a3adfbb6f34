/** `deleteKey` and `listTokens` on SoftHSM: which objects are deleted, which are left, and what a token can refuse. */
import { execFileSync } from "node:child_process";
import { deleteKey, listKeys, listTokens } from "hardproof";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { softwareOf } from "../../../providers/pkcs11/software-token.js";
import { type FaultyPkcs11, faultyPkcs11 } from "../../../testing/pkcs11/faulty-pkcs11.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";

/** `CKR_ACTION_PROHIBITED`: of an object with `CKA_DESTROYABLE` false. */
const ACTION_PROHIBITED = 0x1b;

let hsm: SoftHsm;
let shim: FaultyPkcs11;
beforeAll(async () => {
  hsm = await softHsm({ label: "deletions" });
  shim = faultyPkcs11(hsm.module);
  process.env.DELETE_TEST_PIN = hsm.pin;
});
beforeEach(() => shim.order());
afterAll(async () => {
  shim.close();
  await hsm.close();
});

const uriOf = (key: string) => `pkcs11:token=deletions${key && `;${key}`}?module-path=${shim.module}`;
const options = () => ({ pin: hsm.pin });
const remove = (key: string) => deleteKey(uriOf(key), options());
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "deleted",
    (error) => error.code,
  );

/** The objects on the token, as another program sees them: `private one a1`. */
function objects(): string[] {
  const tool = ["--module", hsm.module, "--token-label", hsm.token, "--login", "--pin", "env:DELETE_TEST_PIN"];
  const out = execFileSync("pkcs11-tool", [...tool, "--list-objects"], { encoding: "utf8", stdio: "pipe" });
  return out
    .split(/^(?=\S)/m)
    .flatMap((text) => {
      const kind = /^(Public|Private) Key Object/.exec(text)?.[1]?.toLowerCase();
      const [label, id] = ["label", "ID"].map((name) => new RegExp(`^ +${name}: +(.*)$`, "m").exec(text)?.[1] ?? "");
      return kind ? [`${kind} ${label} ${id}`] : [];
    })
    .sort();
}

describe("the objects of a key pair", () => {
  it("are both deleted, by label or id, and those of other keys stay", async () => {
    const before = objects();
    for (const by of ["object=one", "id=%A1", "object=one;id=%A1"]) {
      await hsm.addKey({ label: "one", id: "a1", algorithm: "ES256" });
      expect(objects()).toEqual([...before, "private one a1", "public one a1"].sort());
      expect(await remove(by)).toEqual({
        uri: expect.stringMatching(/;object=one;id=%A1\?/),
        destroyedAt: null,
        note: undefined,
      });
      expect(objects()).toEqual(before);
    }
  });

  it("aren't those of another key with the same id", async () => {
    const before = objects();
    await hsm.addKey({ label: "ours", id: "b1", algorithm: "ES256" });
    await hsm.addKey({ label: "theirs", id: "b1", algorithm: "ES256" });
    expect(await codeOf(remove("id=%B1"))).toBe("ambiguous-key");
    await remove("object=ours;id=%B1");
    expect(objects()).toEqual([...before, "private theirs b1", "public theirs b1"].sort());
    await remove("object=theirs");
    expect(objects()).toEqual(before);
  });

  it("aren't the only public key of another key with the same id", async () => {
    const before = objects();
    await hsm.addKey({ label: "ours", id: "b2", algorithm: "ES256" });
    await hsm.deleteKey({ label: "ours", id: "b2" }, { only: "public" });
    await hsm.addKey({ label: "theirs", id: "b2", algorithm: "ES256" });
    await remove("object=ours");
    expect(objects()).toEqual([...before, "private theirs b2", "public theirs b2"].sort());
    await remove("object=theirs");
  });

  it("aren't a public key of another type with the same id", async () => {
    const before = objects();
    await hsm.addKey({ label: "rsa", id: "c1", algorithm: "PS256" });
    await hsm.addKey({ label: "ec", id: "c1", algorithm: "ES256" });
    await hsm.deleteKey({ label: "rsa", id: "c1" }, { only: "private" });
    await hsm.deleteKey({ label: "ec", id: "c1" }, { only: "public" });
    await remove("id=%C1");
    expect(objects()).toEqual([...before, "public rsa c1"].sort());
    await hsm.deleteKey({ label: "rsa", id: "c1" }, { only: "public" });
  });

  it("aren't deleted if the token has two public keys that could be the other half", async () => {
    const before = objects();
    for (let times = 0; times < 2; times += 1) {
      await hsm.addKey({ label: "half", id: "d1", algorithm: "ES256" });
      if (times === 0) await hsm.deleteKey({ label: "half", id: "d1" }, { only: "private" });
    }
    const all = objects();
    expect(all).toHaveLength(before.length + 3);
    expect(await codeOf(remove("object=half"))).toBe("ambiguous-key");
    expect(objects()).toEqual(all);
  });

  it("can be the private key alone", async () => {
    await hsm.addKey({ label: "alone", id: "e1", algorithm: "ES256" });
    await hsm.deleteKey({ label: "alone", id: "e1" }, { only: "public" });
    expect(await codeOf(remove("object=alone"))).toBe("deleted");
    expect(await codeOf(remove("object=alone"))).toBe("key-not-found");
  });
});

/** Generates a key pair that can decrypt, but not sign: pkcs11-tool leaves `CKA_SIGN` to the token, and SoftHSM sets it. */
const DECRYPTION_KEY = `
  import pkcs11js from "pkcs11js";
  const [, module, label] = process.argv;
  const lib = new pkcs11js.PKCS11();
  lib.load(module);
  lib.C_Initialize();
  const slot = lib.C_GetSlotList(true).find((each) => lib.C_GetTokenInfo(each).label.trim() === label);
  const session = lib.C_OpenSession(slot, pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION);
  lib.C_Login(session, pkcs11js.CKU_USER, process.env.DELETE_TEST_PIN);
  const common = [
    { type: pkcs11js.CKA_TOKEN, value: true },
    { type: pkcs11js.CKA_LABEL, value: "decrypts" },
    { type: pkcs11js.CKA_ID, value: Buffer.from([0xdc]) },
  ];
  const size = { type: pkcs11js.CKA_MODULUS_BITS, value: 2048 };
  const purpose = [
    { type: pkcs11js.CKA_SIGN, value: false },
    { type: pkcs11js.CKA_DECRYPT, value: true },
  ];
  const mechanism = { mechanism: pkcs11js.CKM_RSA_PKCS_KEY_PAIR_GEN };
  lib.C_GenerateKeyPair(session, mechanism, [...common, size], [...common, ...purpose]);
  lib.C_Finalize();
`;

describe("a key that Hardproof can't sign with", () => {
  const generate = (...args: string[]) => {
    const tool = ["--module", hsm.module, "--token-label", hsm.token, "--login", "--pin", "env:DELETE_TEST_PIN"];
    execFileSync("pkcs11-tool", [...tool, "--keypairgen", ...args], { stdio: "pipe" });
  };
  it.each([
    ["another curve", ["--key-type", "EC:brainpoolP256r1"], /is an EC key on curve/],
    ["another curve of a known name", ["--key-type", "EC:secp256k1"], /is an EC key on secp256k1/],
    ["a short modulus", ["--key-type", "RSA:1024"], /is an RSA key of 1024 bits/],
  ])("because of %s stays", async (_, args, reason) => {
    const before = objects();
    generate(...args, "--label", "other", "--id", "0e");
    const all = objects();
    const error = await remove("object=other").catch((cause) => cause);
    expect(error).toMatchObject({ code: "wrong-key", message: expect.stringMatching(reason) });
    expect(error.message).toContain("Nothing was deleted: Hardproof deletes only keys that it can sign with.");
    expect(objects()).toEqual(all);
    for (const type of ["privkey", "pubkey"])
      execFileSync("pkcs11-tool", [
        ...["--module", hsm.module, "--token-label", hsm.token, "--login", "--pin", "env:DELETE_TEST_PIN"],
        ...["--delete-object", "--type", type, "--id", "0e"],
      ]);
    expect(objects()).toEqual(before);
  });

  it("because it is for decryption stays", async () => {
    execFileSync(process.execPath, ["--input-type=module", "--eval", DECRYPTION_KEY, hsm.module, hsm.token], {
      env: { ...process.env, ...hsm.env },
    });
    const all = objects();
    expect(all).toContain("private decrypts dc");
    await expect(remove("object=decrypts")).rejects.toMatchObject({
      code: "wrong-key",
      message: expect.stringContaining("isn't allowed to sign (CKA_SIGN). Nothing was deleted"),
    });
    expect(objects()).toEqual(all);
  });

  it("because its list of mechanisms has none that signs stays", async () => {
    const CKM_RSA_PKCS_OAEP = 9;
    await hsm.addKey({ label: "oaep", id: "0a", algorithm: "PS256", mechanisms: [CKM_RSA_PKCS_OAEP] });
    expect(await codeOf(remove("object=oaep"))).toBe("wrong-key");
    expect(objects()).toEqual(expect.arrayContaining(["private oaep 0a", "public oaep 0a"]));
  });

  it("because the URI names another algorithm stays", async () => {
    await hsm.addKey({ label: "es256", id: "0f", algorithm: "ES256" });
    const uri = `${uriOf("object=es256")}&algorithm=PS256`;
    expect(await codeOf(deleteKey(uri, options()))).toBe("wrong-key");
    expect(await codeOf(remove("object=es256"))).toBe("deleted");
  });
});

describe("a token that refuses", () => {
  it("to delete leaves the key, and the error says so", async () => {
    await hsm.addKey({ label: "kept", id: "f1", algorithm: "ES256" });
    shim.order({ on: "C_DestroyObject", times: 1, act: { return: ACTION_PROHIBITED } });
    await expect(remove("object=kept")).rejects.toMatchObject({
      code: "access-denied",
      message: expect.stringContaining("CKR_ACTION_PROHIBITED while deleting a key pair"),
    });
    expect(objects()).toEqual(expect.arrayContaining(["private kept f1", "public kept f1"]));
  });

  it("to delete the public key object is reported in a note, because the private key is gone", async () => {
    shim.order({ on: "C_DestroyObject", from: 2, times: 1, act: { return: ACTION_PROHIBITED } });
    const { note } = await remove("object=kept");
    expect(note).toBe("The token didn't delete the public key object (CKR_ACTION_PROHIBITED).");
    expect(objects().filter((object) => object.endsWith("kept f1"))).toEqual(["public kept f1"]);
  });
});

it("a wrong PIN deletes nothing", async () => {
  const before = objects();
  expect(await codeOf(deleteKey(uriOf("object=dpop"), { pin: "wrong pin" }))).toBe("pin-incorrect");
  expect(objects()).toEqual(before);
  expect(await listKeys(uriOf("object=dpop"), options())).toHaveLength(1);
});

describe("listTokens", () => {
  it("opens no session, and doesn't log in", async () => {
    const before = (["C_OpenSession", "C_Login"] as const).map((name) => shim.count(name));
    const tokens = await listTokens(uriOf(""), options());
    expect(tokens).toMatchObject([{ label: "deletions", protection: "software", software: "SoftHSM" }]);
    expect((["C_OpenSession", "C_Login"] as const).map((name) => shim.count(name))).toEqual(before);
  });

  it.each([
    ["a locked PIN", 0x40000, { pin: "locked" }],
    ["a last attempt", 0x20000, { pin: "final-try" }],
    ["a wrong PIN", 0x10000, { pin: "low" }],
    ["a PIN pad", 0x100, { pinPad: true }],
    ["write protection", 0x2, { writeProtected: true }],
  ])("reports %s", async (_, set, expected) => {
    shim.order({ on: "C_GetTokenInfo", act: { set } });
    expect(await listTokens(uriOf(""))).toMatchObject([expected]);
  });

  it.each([
    ["no login", 0x4, { loginRequired: false }],
    ["no PIN yet", 0x8, { pin: "not-set" }],
    ["no initialisation", 0x400, { initialized: false }],
  ])("reports %s", async (_, unset, expected) => {
    shim.order({ on: "C_GetTokenInfo", act: { unset } });
    expect(await listTokens(uriOf(""))).toMatchObject([expected]);
  });

  it("fails with the library's error if no token can be read", async () => {
    shim.order({ on: "C_GetTokenInfo", act: { return: CKR.DEVICE_ERROR } });
    expect(await codeOf(listTokens(uriOf("")))).toBe("unavailable");
  });
});

it.each([
  ["SoftHSM project", "SoftHSM v2", "SoftHSM"],
  ["Mozilla Foundation", "NSS 3", "NSS softoken"],
  ["Kryoptic Project", "v1", "Kryoptic"],
  ["IBM", "Soft", "openCryptoki's Soft token"],
  ["IBM", "SW   TPM", "software TPM (IBM SW TPM, such as swtpm)"],
  ["MSFT", "xCG fTPM", "software TPM (Microsoft's TPM simulator)"],
  ["IBM", "CCA", undefined],
  ["IBM", "EP11", undefined],
  ["STM", "ST33HTPHAHD4", undefined],
  ["INTC", "Intel", undefined],
  ["Yubico (www.yubico.com)", "YubiKey YK5", undefined],
  ["Thales", "Luna K7", undefined],
  ["", "", undefined],
])("a token by %s, model %s, is the software %s", (manufacturer, model, software) => {
  expect(softwareOf({ manufacturer, model })).toBe(software);
});
