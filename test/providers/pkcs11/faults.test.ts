/** A token that fails: each loss in the middle of 200 proofs, and what the library is asked meanwhile. */
import { copyFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DPoPProver } from "hardproof";
import { describe, expect, it } from "vitest";
import { CKF_TOKEN_INITIALIZED } from "../../../providers/pkcs11/constants.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { CKR } from "../../shim/return-values.js";
import { codesOf, proofs } from "../many-proofs.js";

const LOSSES = [
  "SESSION_HANDLE_INVALID",
  "SESSION_CLOSED",
  "USER_NOT_LOGGED_IN",
  "OBJECT_HANDLE_INVALID",
  "KEY_HANDLE_INVALID",
  "DEVICE_REMOVED",
  "TOKEN_NOT_PRESENT",
  "DEVICE_ERROR",
  "CRYPTOKI_NOT_INITIALIZED",
  "OPERATION_ACTIVE",
  "GENERAL_ERROR",
  "FUNCTION_FAILED",
  "HOST_MEMORY",
  "DEVICE_MEMORY",
  "VENDOR_DEFINED_26",
] as const;

const { hsm, shim, newSigner } = await faultyToken("faulty");

describe("a loss in the middle of 200 proofs ends with 200 valid proofs", () => {
  it.each(LOSSES)("CKR_%s from C_Sign", async (name) => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_Sign", from: 100, times: 1, act: { return: CKR[name] } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it.each(LOSSES)("CKR_%s from C_SignInit, on four sessions at once", async (name) => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_SignInit", from: 100, times: 4, until: "C_Initialize", act: { return: CKR[name] } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it.each(LOSSES)("CKR_%s from C_OpenSession, while the pool grows", async (name) => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_OpenSession", from: 2, times: 1, act: { return: CKR[name] } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  describe.each(["C_OpenSession", "C_Login", "C_FindObjectsInit", "C_FindObjects"] as const)("%s, too, fails", (on) => {
    it.each(LOSSES)("with CKR_%s, once, on the way back", async (name) => {
      await using signer = newSigner();
      const prover = await DPoPProver.create(signer);
      shim.order(
        { on: "C_Sign", from: 100, until: "C_Login", act: { return: CKR.USER_NOT_LOGGED_IN } },
        { on, times: 1, from: on === "C_OpenSession" ? 4 : 1, act: { return: CKR[name] } },
      );
      expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
    });
  });

  it.each(["DEVICE_ERROR", "CRYPTOKI_NOT_INITIALIZED", "SESSION_HANDLE_INVALID"] as const)(
    "CKR_%s until the library is initialised again",
    async (name) => {
      await using signer = newSigner();
      const prover = await DPoPProver.create(signer);
      const initialized = shim.count("C_Initialize");
      const lost = { until: "C_Initialize", act: { return: CKR[name] } } as const;
      shim.order({ on: "C_Sign", from: 50, ...lost }, { on: "C_OpenSession", ...lost });
      expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
      expect(shim.count("C_Initialize")).toBe(initialized + 1);
    },
  );

  it("callers in flight share one way back: one C_Login for a lost login, one C_Initialize for a lost library", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    const [logins, initialized] = [shim.count("C_Login"), shim.count("C_Initialize")];
    shim.order({ on: "C_SignInit", from: 50, until: "C_Login", act: { return: CKR.USER_NOT_LOGGED_IN } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
    expect(shim.count("C_Login") - logins).toBe(1);
    shim.order({ on: "C_SignInit", from: 50, until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
    expect(shim.count("C_Login") - logins).toBe(2);
    expect(shim.count("C_Initialize") - initialized).toBe(1);
  });

  it("a lost session costs no login while another one is open: a PIN pad would have to be asked", async () => {
    await using signer = newSigner({ sessions: 2 });
    await Promise.all([signer.sign(Buffer.from("1")), signer.sign(Buffer.from("2"))]);
    const logins = shim.count("C_Login");
    shim.order({ on: "C_Sign", times: 1, act: { return: CKR.SESSION_HANDLE_INVALID } });
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    expect(shim.count("C_Login")).toBe(logins);
  });

  it("a caller that gives up while it leads the way back does not end it for those who follow", async () => {
    await using signer = newSigner({ sessions: 3 });
    await Promise.all([signer.sign(Buffer.from("1")), signer.sign(Buffer.from("2")), signer.sign(Buffer.from("3"))]);
    // The first two lose their sessions, and those who come after them hang on all there are: the way back waits for them.
    shim.order(
      { on: "C_SignInit", times: 2, act: { return: CKR.SESSION_HANDLE_INVALID } },
      { on: "C_Sign", act: "hang" },
    );
    const asked = shim.count("C_Sign");
    const controller = new AbortController();
    const leader = signer.sign(Buffer.from("leads"), { signal: controller.signal });
    const others = ["follows", "hangs", "hangs", "hangs"].map((text) => signer.sign(Buffer.from(text)));
    await expect.poll(() => shim.count("C_Sign") - asked, { interval: 5 }).toBe(3);
    controller.abort();
    await expect(leader).rejects.toMatchObject({ code: "aborted" });
    shim.order();
    for (const { status } of await Promise.allSettled(others)) expect(status).toBe("fulfilled");
  });

  it("goes on only with the same public key", async () => {
    await hsm.generateKey({ label: "swapped", id: "70", type: "EC:prime256v1" });
    await using signer = newSigner({ key: "swapped" });
    await signer.sign(Buffer.from("x"));
    await hsm.deleteObject({ type: "privkey", id: "70" });
    await hsm.deleteObject({ type: "pubkey", id: "70" });
    await hsm.generateKey({ label: "swapped", id: "70", type: "EC:prime256v1" });
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "integrity" });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "integrity" });
  });

  it("describe() finds its way back, too", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    shim.order({ on: "C_GetAttributeValue", times: 1, act: { return: CKR.SESSION_HANDLE_INVALID } });
    await expect(signer.describe()).resolves.toMatchObject({ exportable: false });
  });

  it("a signer that comes to a library that others left broken restarts it, and the others go on", async () => {
    await using idle = newSigner();
    await idle.publicJwk();
    const lost = { until: "C_Initialize", act: { return: CKR.DEVICE_ERROR } } as const;
    shim.order({ on: "C_OpenSession", ...lost }, { on: "C_SignInit", ...lost });
    await using fresh = newSigner();
    await expect(fresh.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    await expect(idle.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("a module without a token says how to make one", async () => {
    shim.order({ on: "C_GetTokenInfo", act: { unset: CKF_TOKEN_INITIALIZED } });
    await using signer = newSigner();
    await expect(signer.publicJwk()).rejects.toMatchObject({
      code: "key-not-found",
      message: expect.stringContaining(
        "The module has no initialised token. Initialise one with softhsm2-util or pkcs11-tool --init-token.",
      ),
    });
    shim.order();
  });

  it("SoftHSM's CKR_GENERAL_ERROR at the start says what to look at, and that of others does not", async () => {
    const softhsm = join(dirname(shim.module), "libsofthsm2.so");
    copyFileSync(shim.module, softhsm);
    shim.order({ on: "C_Initialize", act: { return: CKR.GENERAL_ERROR } });
    const messageOf = (module: string) =>
      newSigner({ module })
        .publicJwk()
        .then(String, (error) => error.message);
    expect(await messageOf(softhsm)).toMatch(/CKR_GENERAL_ERROR while initialising .* of SoftHSM \(SOFTHSM2_CONF\)\.$/);
    expect(await messageOf(shim.module)).not.toContain("SOFTHSM2_CONF");
    shim.order();
  });

  it("100 signatures of two signers, while one restarts the library, are all right", async () => {
    await using one = newSigner();
    await using other = newSigner();
    await Promise.all([one.publicJwk(), other.publicJwk()]);
    const initialized = shim.count("C_Initialize");
    shim.order({ on: "C_SignInit", from: 40, until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    const work = Array.from({ length: 100 }, (_, n) => (n % 2 ? one : other).sign(Buffer.from(`${n}`)));
    await expect(Promise.all(work)).resolves.toHaveLength(100);
    expect(shim.count("C_Initialize") - initialized).toBe(1);
  });

  it("other signers on the library go on after it was restarted", async () => {
    await using one = newSigner();
    await using other = newSigner({ sessions: 1 });
    await Promise.all([one.publicJwk(), other.publicJwk()]);
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await expect(one.sign(Buffer.from("a"))).resolves.toHaveLength(64);
    const asked = shim.count("C_SignInit");
    await expect(other.sign(Buffer.from("b"))).resolves.toHaveLength(64);
    // Never with the handles of before: they may be another session's and another key's by now.
    expect(shim.count("C_SignInit") - asked).toBe(1);
  });
});

describe("a token that stays away", () => {
  it("fails at once without a call to the token each time, and is used again when it comes back", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order(
      { on: "C_Sign", act: { return: CKR.DEVICE_REMOVED } },
      { on: "C_OpenSession", act: { return: CKR.TOKEN_NOT_PRESENT } },
    );
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["unavailable"]));
    const asked = shim.count("C_OpenSession");
    const error = await signer.sign(Buffer.from("x")).catch((reason) => reason);
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(shim.count("C_OpenSession")).toBe(asked);
    shim.order();
    await expect.poll(() => signer.sign(Buffer.from("x")), { timeout: 10_000 }).toHaveLength(64);
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it("a PIN that is wrong by then is tried once, and the recovery ends there", async () => {
    let pin = hsm.pin;
    await using signer = newSigner({ pin: () => pin, sessions: 1 });
    await signer.publicJwk();
    pin = "0000-wrong";
    const logins = shim.count("C_Login");
    shim.order({ on: "C_Sign", times: 2, act: { return: CKR.USER_NOT_LOGGED_IN } });
    const results = await Promise.allSettled([signer.sign(Buffer.from("a")), signer.sign(Buffer.from("b"))]);
    expect(results.map((result) => result.status === "rejected" && result.reason.code)).toContain("pin-incorrect");
    expect(shim.count("C_Login")).toBe(logins + 1);
  });
});
