/** PINs: a wrong one is tried once, none is tried if one more failure locks the token, and each is read only when needed. */
import { inspect } from "node:util";
import { DPoPProver } from "hardproof";
import type { PinSource } from "hardproof/pkcs11";
import { beforeAll, describe, expect, it } from "vitest";
import { faultyToken } from "../../shim/faulty-token.js";

const CKR = { OK: 0, PIN_INCORRECT: 0xa0, PIN_LEN_RANGE: 0xa2, PIN_EXPIRED: 0xa3, PIN_LOCKED: 0xa4, PIN_INVALID: 0xa1 };
const CKR_USER_NOT_LOGGED_IN = 0x101;
const CKF = { LOGIN_REQUIRED: 0x4, PROTECTED_AUTHENTICATION_PATH: 0x100, FINAL_TRY: 0x20000, LOCKED: 0x40000 };

const { hsm, shim, newSigner } = await faultyToken("pins");

describe("PINs", () => {
  it("100 callers of one signer with a wrong PIN make exactly one C_Login", async () => {
    const logins = shim.count("C_Login");
    await using signer = newSigner({ pin: "wrong 100" });
    const prover = () => DPoPProver.create(signer).then(String, (error) => error.code);
    expect(new Set(await Promise.all(Array.from({ length: 100 }, prover)))).toEqual(new Set(["pin-incorrect"]));
    expect(shim.count("C_Login")).toBe(logins + 1);
  });

  it("100 signers with the same wrong PIN make exactly one C_Login", async () => {
    const logins = shim.count("C_Login");
    const open = async () => {
      await using signer = newSigner({ pin: async () => "wrong 101" });
      return signer.publicJwk().then(String, (error) => error.code);
    };
    expect(new Set(await Promise.all(Array.from({ length: 100 }, open)))).toEqual(new Set(["pin-incorrect"]));
    expect(shim.count("C_Login")).toBe(logins + 1);
  });

  it.each(["PIN_LOCKED", "PIN_EXPIRED"] as const)("CKR_%s is reported as pin-locked", async (name) => {
    shim.order({ on: "C_Login", act: { return: CKR[name] } });
    await using signer = newSigner();
    await expect(signer.publicJwk()).rejects.toMatchObject({ code: "pin-locked", retryable: false });
  });

  it.each(["PIN_INCORRECT", "PIN_INVALID", "PIN_LEN_RANGE"] as const)(
    "doesn't try a PIN again that failed with CKR_%s",
    async (name) => {
      shim.order({ on: "C_Login", act: { return: CKR[name] } });
      const logins = shim.count("C_Login");
      for (let times = 0; times < 3; times++) {
        await using signer = newSigner({ pin: `pin ${name}` });
        await expect(signer.publicJwk()).rejects.toMatchObject({ code: "pin-incorrect" });
      }
      expect(shim.count("C_Login")).toBe(logins + 1);
    },
  );

  it.each([
    ["one more failure locks the token", CKF.FINAL_TRY, "One more wrong PIN locks the token."],
    ["the PIN is locked now", CKF.LOCKED, "The PIN is locked now: the security officer must unlock it."],
  ])("says after a wrong PIN that %s", async (_, flag, message) => {
    const attempt = async (pin: string) => {
      await using signer = newSigner({ pin });
      return signer.publicJwk().catch((error) => error);
    };
    const calls = shim.count("C_GetTokenInfo");
    await attempt(`hunter2 first ${flag}`);
    const last = shim.count("C_GetTokenInfo") - calls; // the one after the login
    shim.order({ on: "C_GetTokenInfo", from: last, act: { set: flag } });
    const failure = await attempt(`hunter2 ${flag}`);
    expect(failure).toMatchObject({ code: "pin-incorrect", message: expect.stringContaining(message) });
    expect(inspect(failure)).not.toContain("hunter2");
  });

  it.each<[PinSource, string]>([
    [{ env: "HARDPROOF_TEST_WRONG_PIN" }, "The PIN in the environment variable HARDPROOF_TEST_WRONG_PIN is wrong."],
    [() => "hunter2 by function", "The PIN from the function is wrong."],
    ["hunter2 itself", "The PIN is wrong."],
  ])("names the source of a wrong PIN: %j", async (pin, message) => {
    process.env.HARDPROOF_TEST_WRONG_PIN = "hunter2 by variable";
    await using first = newSigner({ pin });
    await expect(first.publicJwk()).rejects.toMatchObject({ message: expect.stringContaining(message) });
    await using second = newSigner({ pin });
    const again = message.replace("is wrong", "was wrong before");
    await expect(second.publicJwk()).rejects.toMatchObject({ message: expect.stringContaining(again) });
    const isolated = newSigner({ pin, isolate: true });
    const failure = await isolated.publicJwk().catch((error) => error);
    await isolated.close();
    expect(failure.message).toContain(message);
    expect(inspect(failure)).not.toContain("hunter2");
  });

  it("doesn't try a PIN if one more failure locks the token, unless forced", async () => {
    shim.order({ on: "C_GetTokenInfo", act: { set: CKF.FINAL_TRY } });
    const logins = shim.count("C_Login");
    await using careful = newSigner();
    await expect(careful.publicJwk()).rejects.toMatchObject({
      code: "pin-locked",
      message: expect.stringContaining("forceLogin"),
    });
    expect(shim.count("C_Login")).toBe(logins);
    await using forced = newSigner({ forceLogin: true });
    await expect(forced.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("doesn't try a PIN if the token reports that it is locked", async () => {
    shim.order({ on: "C_GetTokenInfo", act: { set: CKF.LOCKED } });
    const logins = shim.count("C_Login");
    await using signer = newSigner({ forceLogin: true });
    await expect(signer.publicJwk()).rejects.toMatchObject({ code: "pin-locked" });
    expect(shim.count("C_Login")).toBe(logins);
  });

  it("rejects a second signer whose PIN isn't the one that is logged in", async () => {
    await using right = newSigner();
    await right.publicJwk();
    await using other = newSigner({ pin: "another PIN" });
    await expect(other.publicJwk()).rejects.toMatchObject({ code: "pin-incorrect" });
    await expect(right.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("reads the PIN once for each login", async () => {
    let reads = 0;
    const pin = () => {
      reads += 1;
      return hsm.pin;
    };
    await using signer = newSigner({ pin });
    expect(reads).toBe(0);
    await Promise.all([signer.publicJwk(), signer.sign(Buffer.from("x")), signer.describe()]);
    expect(reads).toBe(1);
    shim.order({ on: "C_Sign", times: 1, act: { return: CKR_USER_NOT_LOGGED_IN } });
    await signer.sign(Buffer.from("x"));
    expect(reads).toBe(2);
  });
});

describe("a token with a PIN pad (CKF_PROTECTED_AUTHENTICATION_PATH)", () => {
  it("logs in without a PIN to a token with a PIN pad", async () => {
    await using loggedIn = newSigner();
    await loggedIn.publicJwk();
    shim.order(
      { on: "C_GetTokenInfo", act: { set: CKF.PROTECTED_AUTHENTICATION_PATH } },
      { on: "C_Login", act: { return: CKR.OK } },
    );
    const logins = shim.count("C_Login");
    await using signer = newSigner({ pin: undefined });
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    expect(shim.count("C_Login")).toBe(logins + 1);
  });

  it("says that a wrong PIN was entered at the token, and never reads one", async () => {
    shim.order(
      { on: "C_GetTokenInfo", act: { set: CKF.PROTECTED_AUTHENTICATION_PATH } },
      { on: "C_Login", act: { return: CKR.PIN_INCORRECT } },
    );
    await using signer = newSigner({ pin: undefined });
    await expect(signer.publicJwk()).rejects.toMatchObject({
      code: "pin-incorrect",
      message: expect.stringContaining("the PIN that was entered at the token is wrong"),
    });
  });

  it("doesn't try an empty PIN on a token without a PIN pad", async () => {
    const logins = shim.count("C_Login");
    await using signer = newSigner({ pin: undefined });
    await expect(signer.publicJwk()).rejects.toMatchObject({ code: "pin-required" });
    expect(shim.count("C_Login")).toBe(logins);
  });
});

describe("a token that doesn't require a login", () => {
  it("doesn't log in to a token that doesn't require it", async () => {
    await using loggedIn = newSigner();
    await loggedIn.publicJwk();
    shim.order({ on: "C_GetTokenInfo", act: { unset: CKF.LOGIN_REQUIRED } });
    const logins = shim.count("C_Login");
    await using signer = newSigner({ pin: undefined });
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    expect(shim.count("C_Login")).toBe(logins);
  });
});

describe("a key that requires the PIN for each signature (CKA_ALWAYS_AUTHENTICATE)", () => {
  beforeAll(() => hsm.addKey({ label: "careful", id: "80", algorithm: "ES256", alwaysAuthenticate: true }));

  it("logs in for each signature of a key that requires it, also for concurrent callers", async () => {
    await using signer = newSigner({ key: "careful" });
    await signer.publicJwk();
    const logins = shim.count("C_Login");
    const work = Array.from({ length: 20 }, (_, n) => signer.sign(Buffer.from(`${n}`)));
    await expect(Promise.all(work)).resolves.toHaveLength(20);
    expect(shim.count("C_Login") - logins).toBe(20);
  });

  it("tries a PIN that has become wrong only once, and none if one more failure locks the token", async () => {
    let pin = hsm.pin;
    await using signer = newSigner({ key: "careful", pin: () => pin });
    await signer.sign(Buffer.from("x"));
    pin = "became wrong";
    const logins = shim.count("C_Login");
    for (let times = 0; times < 3; times++)
      await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "pin-incorrect" });
    expect(shim.count("C_Login") - logins).toBe(1);
    pin = hsm.pin;
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    shim.order({ on: "C_GetTokenInfo", act: { set: CKF.FINAL_TRY } });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "pin-locked" });
  });
});
