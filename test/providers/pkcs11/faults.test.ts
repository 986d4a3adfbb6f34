/** A token that fails in the middle of 200 proofs, and the calls that the library receives during the recovery. */
import { copyFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DPoPProver } from "hardproof";
import { describe, expect, it } from "vitest";
import { CKF_TOKEN_INITIALIZED } from "../../../providers/pkcs11/constants.js";
import { CKR } from "../../../testing/pkcs11/return-values.js";
import { faultyToken } from "../../shim/faulty-token.js";
import { codesOf, proofs } from "../many-proofs.js";

const RECOVERABLE = [
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

describe("recovery", () => {
  it.each(RECOVERABLE)("makes 200 proofs although C_Sign returns CKR_%s once", async (name) => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_Sign", from: 100, times: 1, act: { return: CKR[name] } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it.each(RECOVERABLE)("makes 200 proofs although C_SignInit returns CKR_%s up to four times", async (name) => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_SignInit", from: 100, times: 4, until: "C_Initialize", act: { return: CKR[name] } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it.each(RECOVERABLE)("makes 200 proofs although C_OpenSession returns CKR_%s while the pool grows", async (name) => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order({ on: "C_OpenSession", from: 2, times: 1, act: { return: CKR[name] } });
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  describe.each(["C_OpenSession", "C_Login", "C_FindObjectsInit", "C_FindObjects"] as const)(
    "%s during a recovery",
    (on) => {
      it.each(RECOVERABLE)(`makes 200 proofs although ${on} returns CKR_%s once during a recovery`, async (name) => {
        await using signer = newSigner();
        const prover = await DPoPProver.create(signer);
        shim.order(
          { on: "C_Sign", from: 100, until: "C_Login", act: { return: CKR.USER_NOT_LOGGED_IN } },
          { on, times: 1, from: on === "C_OpenSession" ? 4 : 1, act: { return: CKR[name] } },
        );
        expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
      });
    },
  );

  it.each(["DEVICE_ERROR", "CRYPTOKI_NOT_INITIALIZED", "SESSION_HANDLE_INVALID"] as const)(
    "makes 200 proofs although all sessions fail with CKR_%s until the library is restarted",
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

  it("concurrent callers share one recovery: one C_Login for a lost login, one C_Initialize for a lost library", async () => {
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

  it("workers that lose a login at the same time log in once", async () => {
    await using signer = newSigner({ sessions: 3 });
    shim.order({ on: "C_Sign", act: { delay: 30 } });
    await Promise.all(Array.from({ length: 24 }, (_, n) => signer.sign(Buffer.from([n]))));
    expect(shim.openSessions()).toBe(3);
    const logins = shim.count("C_Login");
    shim.order(
      { on: "C_SignInit", times: 3, act: { return: CKR.USER_NOT_LOGGED_IN } },
      { on: "C_Sign", act: { delay: 30 } },
      { on: "C_OpenSession", act: { delay: 100 } },
    );
    await Promise.all(Array.from({ length: 9 }, (_, n) => signer.sign(Buffer.from([n]))));
    expect(shim.count("C_Login") - logins).toBe(1);
  });

  it("doesn't log in again after a session is lost while another one is open", async () => {
    await using signer = newSigner({ sessions: 2 });
    await Promise.all([signer.sign(Buffer.from("1")), signer.sign(Buffer.from("2"))]);
    const logins = shim.count("C_Login");
    shim.order({ on: "C_Sign", times: 1, act: { return: CKR.SESSION_HANDLE_INVALID } });
    await expect(signer.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    expect(shim.count("C_Login")).toBe(logins);
  });

  it("an aborted caller that started a recovery doesn't end it for the others", async () => {
    await using signer = newSigner({ sessions: 3 });
    await Promise.all([signer.sign(Buffer.from("1")), signer.sign(Buffer.from("2")), signer.sign(Buffer.from("3"))]);
    // The first two calls lose their sessions, and the next ones hang in all the sessions, so the recovery has to wait for them.
    shim.order(
      { on: "C_SignInit", times: 2, act: { return: CKR.SESSION_HANDLE_INVALID } },
      { on: "C_Sign", act: "hang" },
    );
    const callsBefore = shim.count("C_Sign");
    const controller = new AbortController();
    const first = signer.sign(Buffer.from("starts the recovery"), { signal: controller.signal });
    const others = ["follows", "hangs", "hangs", "hangs"].map((text) => signer.sign(Buffer.from(text)));
    await expect.poll(() => shim.count("C_Sign") - callsBefore, { interval: 5 }).toBe(3);
    controller.abort();
    await expect(first).rejects.toMatchObject({ code: "aborted" });
    shim.order();
    for (const { status } of await Promise.allSettled(others)) expect(status).toBe("fulfilled");
  });

  it("doesn't sign if the key has another public key after a recovery", async () => {
    await hsm.addKey({ label: "swapped", id: "70", algorithm: "ES256" });
    await using signer = newSigner({ key: "swapped" });
    await signer.sign(Buffer.from("x"));
    await hsm.deleteKey({ id: "70" }, { only: "private" });
    await hsm.deleteKey({ id: "70" }, { only: "public" });
    await hsm.addKey({ label: "swapped", id: "70", algorithm: "ES256" });
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "integrity" });
    await expect(signer.sign(Buffer.from("x"))).rejects.toMatchObject({ code: "integrity" });
  });

  it("closes a session that was opened again after a restart, although the library stays in use", async () => {
    await using other = newSigner();
    await other.publicJwk();
    const signer = newSigner();
    await signer.publicJwk();
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await signer.sign(Buffer.from("x"));
    await other.sign(Buffer.from("x"));
    expect(shim.openSessions()).toBe(2);
    await signer.close();
    expect(shim.openSessions()).toBe(1);
  });

  it("describe() recovers from a lost session", async () => {
    await using signer = newSigner();
    await signer.publicJwk();
    shim.order({ on: "C_GetAttributeValue", times: 1, act: { return: CKR.SESSION_HANDLE_INVALID } });
    await expect(signer.describe()).resolves.toMatchObject({ exportable: false });
  });

  it("a new signer restarts a library that is broken, and the open signers go on", async () => {
    await using idle = newSigner();
    await idle.publicJwk();
    const lost = { until: "C_Initialize", act: { return: CKR.DEVICE_ERROR } } as const;
    shim.order({ on: "C_OpenSession", ...lost }, { on: "C_SignInit", ...lost });
    await using fresh = newSigner();
    await expect(fresh.sign(Buffer.from("x"))).resolves.toHaveLength(64);
    await expect(idle.sign(Buffer.from("x"))).resolves.toHaveLength(64);
  });

  it("the error for a module without a token explains how to initialise one", async () => {
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

  it("CKR_GENERAL_ERROR from C_Initialize comes with a hint for SoftHSM, and without it for another library", async () => {
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

  it("two signers make 100 signatures although the library is restarted", async () => {
    await using one = newSigner();
    await using other = newSigner();
    await Promise.all([one.publicJwk(), other.publicJwk()]);
    const initialized = shim.count("C_Initialize");
    shim.order({ on: "C_SignInit", from: 40, until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    const work = Array.from({ length: 100 }, (_, n) => (n % 2 ? one : other).sign(Buffer.from(`${n}`)));
    await expect(Promise.all(work)).resolves.toHaveLength(100);
    expect(shim.count("C_Initialize") - initialized).toBe(1);
  });

  it("other signers of the library go on after a restart, and don't use their old handles", async () => {
    await using one = newSigner();
    await using other = newSigner({ sessions: 1 });
    await Promise.all([one.publicJwk(), other.publicJwk()]);
    shim.order({ on: "C_SignInit", until: "C_Initialize", act: { return: CKR.CRYPTOKI_NOT_INITIALIZED } });
    await expect(one.sign(Buffer.from("a"))).resolves.toHaveLength(64);
    const callsBefore = shim.count("C_SignInit");
    await expect(other.sign(Buffer.from("b"))).resolves.toHaveLength(64);
    // A call with the old handles would be a second one. They may belong to another session and another key by now.
    expect(shim.count("C_SignInit") - callsBefore).toBe(1);
  });
});

describe("a token that is missing", () => {
  it("calls fail at once while the token is missing, without calling the library each time, and succeed once it is back", async () => {
    await using signer = newSigner();
    const prover = await DPoPProver.create(signer);
    shim.order(
      { on: "C_Sign", act: { return: CKR.DEVICE_REMOVED } },
      { on: "C_OpenSession", act: { return: CKR.TOKEN_NOT_PRESENT } },
    );
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["unavailable"]));
    const callsBefore = shim.count("C_OpenSession");
    const error = await signer.sign(Buffer.from("x")).catch((reason) => reason);
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(shim.count("C_OpenSession")).toBe(callsBefore);
    shim.order();
    await expect.poll(() => signer.sign(Buffer.from("x")), { timeout: 10_000 }).toHaveLength(64);
    expect(codesOf(await proofs(prover, 200))).toEqual(new Set(["proof"]));
  });

  it("a recovery with a PIN that has become wrong tries it once and fails", async () => {
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
