/** `hardproof doctor` on a healthy machine, and with one defect at a time. */
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Finding, registerProvider, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { KeySigner } from "hardproof/provider";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { nodeCheck } from "../../../src/cli/doctor-checks.js";
import { loopbackServer } from "../../servers/loopback-server.js";
import { softTpm } from "../../tokens/index.js";
import { run } from "./run.js";

async function diagnose(...args: string[]): Promise<{ code: number; findings: Finding[]; text: string }> {
  const { code, out } = await run(["doctor", "--json", ...args]);
  return { code, findings: JSON.parse(out).findings, text: out };
}

const marks = (findings: Finding[]) => findings.map(({ check, ok }) => `${check}: ${ok}`);

const directory = mkdtempSync(join(tmpdir(), "hardproof-doctor-"));
afterAll(() => rmSync(directory, { recursive: true }));

describe("a key in SoftHSM", () => {
  let hsm: SoftHsm;
  let uri: string;
  const pinFile = join(directory, "pin");
  beforeAll(async () => {
    hsm = await softHsm({ label: "doctor" });
    uri = `pkcs11:token=doctor;object=dpop?module-path=${hsm.module}&pin-source=file:${pinFile}`;
  });
  beforeEach(() => {
    writeFileSync(pinFile, hsm.pin);
    chmodSync(pinFile, 0o600);
  });
  afterAll(() => hsm.close());

  it("passes every check for a valid key", async () => {
    const { code, findings, text } = await diagnose(uri);
    expect(marks(findings)).toEqual([
      "Node: true",
      "addon: true",
      "module: true",
      "token: true",
      "hardware: null",
      "PIN state: true",
      "PIN source: true",
      "key: true",
      "protection: true",
      "signature: true",
    ]);
    expect(code).toBe(0);
    expect(text).not.toContain(hsm.pin);
  });

  it("prints one line per check, with a remedy for a failed one", async () => {
    chmodSync(pinFile, 0o644);
    const { code, out } = await run(["doctor", uri]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✓ token +"doctor", serial \w+, SoftHSM v2/m);
    expect(out).toMatch(/^✗ PIN source +\S+ \(mode 0644\)\n +Run chmod 600: other users can read the PIN\.$/m);
    expect(out).toMatch(/^– key +not opened/m);
  });

  it("accepts a PIN file that its group can read, such as a Kubernetes secret with fsGroup", async () => {
    chmodSync(pinFile, 0o440);
    const { code, findings } = await diagnose(uri);
    expect(code).toBe(0);
    expect(findings.find(({ check }) => check === "PIN source")).toMatchObject({
      ok: null,
      found: `${pinFile} (mode 0440): its group can read the PIN`,
    });
    expect(marks(findings)).toContain("signature: true");
  });

  it("reports a missing PIN file and doesn't open the key", async () => {
    rmSync(pinFile);
    const { code, findings } = await diagnose(uri);
    expect(code).toBe(1);
    expect(findings.at(-2)).toMatchObject({ check: "PIN source", ok: false, found: `${pinFile} can't be read` });
  });

  it("reports a missing environment variable of the PIN", async () => {
    const { findings } = await diagnose(uri.replace(`file:${pinFile}`, "env:UNSET_VARIABLE"));
    expect(findings.at(-2)).toMatchObject({ check: "PIN source", ok: false });
  });

  it("ignores a byte order mark and line breaks at the end of the PIN, as the login does", async () => {
    process.env.DOCTOR_MOUNTED = `\uFEFF${hsm.pin}\n\n`;
    writeFileSync(pinFile, `\uFEFF${hsm.pin}\r\n\r\n`);
    for (const source of [uri, uri.replace(`file:${pinFile}`, "env:DOCTOR_MOUNTED")]) {
      const { code, findings } = await diagnose(source);
      expect(marks(findings)).toEqual(expect.arrayContaining(["PIN source: true", "signature: true"]));
      expect(code).toBe(0);
    }
  });

  it("reports a PIN that contains a control character, and doesn't try it", async () => {
    process.env.DOCTOR_BROKEN = "47\n11";
    writeFileSync(pinFile, "47\t11");
    for (const source of [uri, uri.replace(`file:${pinFile}`, "env:DOCTOR_BROKEN")])
      expect((await diagnose(source)).findings.slice(-2)).toMatchObject([
        { check: "PIN source", ok: false, found: expect.stringContaining("control character") },
        { check: "key", ok: null },
      ]);
  });

  it("warns that pkcs11-spy would log the PIN, and doesn't log in", async () => {
    const log = join(directory, "spy.log");
    Object.assign(process.env, { PKCS11SPY: hsm.module, PKCS11SPY_OUTPUT: log });
    const { code, findings } = await diagnose(uri.replace(`module-path=${hsm.module}`, "module-name=pkcs11-spy"));
    expect(code).toBe(1);
    expect(findings.slice(-2)).toMatchObject([
      { check: "module", ok: false, found: "pkcs11-spy writes the PIN to its log in clear text" },
      { check: "key", ok: null },
    ]);
    expect(readFileSync(log, "latin1")).toContain("C_GetFunctionList");
    expect(readFileSync(log, "latin1")).not.toContain("C_Login");
  });

  it("reports a missing module, and a module that others can write", async () => {
    const missing = await diagnose(uri.replace(hsm.module, "/nowhere/libsofthsm2.so"));
    expect(missing.findings.at(-2)).toMatchObject({
      check: "store",
      ok: false,
      remedy: expect.stringContaining("no PKCS#11 module"),
    });
    const writable = join(directory, "libsofthsm2.so");
    copyFileSync(hsm.module, writable);
    chmodSync(writable, 0o777);
    const found = await diagnose(uri.replace(hsm.module, writable), "--no-login");
    expect(found.findings.find(({ check }) => check === "module")).toMatchObject({ ok: false });
  });

  it("reports a module that isn't a PKCS#11 library", async () => {
    const text = join(directory, "text.so");
    writeFileSync(text, "hello");
    const { findings } = await diagnose(uri.replace(hsm.module, text));
    expect(findings.at(-2)).toMatchObject({ ok: false, found: "misconfigured" });
  });

  it("reports a missing token, and names the tokens that exist", async () => {
    const { findings } = await diagnose(uri.replace("token=doctor", "token=another"));
    expect(findings.at(-2)).toMatchObject({
      ok: false,
      found: "key-not-found",
      remedy: expect.stringContaining('"doctor"'),
    });
  });

  it("reports a missing key", async () => {
    const { code, findings } = await diagnose(uri.replace("object=dpop", "object=another"));
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatchObject({ check: "key", ok: false, found: "key-not-found" });
  });

  it("doesn't try the PIN with --no-login", async () => {
    writeFileSync(pinFile, "wrong");
    const withoutLogin = await diagnose(uri, "--no-login");
    expect(withoutLogin.code).toBe(0);
    expect(withoutLogin.findings.at(-1)).toMatchObject({ check: "key", ok: null });
    // SoftHSM sets CKF_USER_PIN_COUNT_LOW at the first failed login.
    const again = await diagnose(uri, "--no-login");
    expect(again.findings.find(({ check }) => check === "PIN state")).toMatchObject({ ok: true });
  });

  it("reports a wrong PIN until the next successful login", async () => {
    const wrong = new Pkcs11Signer({ module: hsm.module, token: "doctor", key: "dpop", pin: "also wrong" });
    await expect(wrong.publicJwk()).rejects.toMatchObject({ code: "pin-incorrect" });
    const state = async () => (await diagnose(uri, "--no-login")).findings.find(({ check }) => check === "PIN state");
    expect(await state()).toMatchObject({
      ok: null,
      found: "the token reports that a wrong PIN was tried since the last login",
    });
    expect((await diagnose(uri)).code).toBe(0);
    expect(await state()).toMatchObject({ ok: true });
  });

  it("reports a wrong PIN without repeating it", async () => {
    writeFileSync(pinFile, "another wrong one");
    const { code, findings, text } = await diagnose(uri);
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatchObject({ check: "key", ok: false, found: "pin-incorrect" });
    expect(text).not.toContain("another wrong one");
  });
});

describe("a key in memory", () => {
  it("says that the key is lost, and opens it", async () => {
    const { code, findings } = await diagnose("memory:");
    expect(code).toBe(0);
    expect(marks(findings)).toEqual(["Node: true", "store: null", "key: true", "protection: null", "signature: true"]);
    expect(findings[1]?.found).toContain("lost when the process ends");
  });
});

describe("a key in a store of a third party", () => {
  const memory = () => MemorySigner.generate();
  const opened = ["Node: true", "key: true", "protection: null", "signature: true"];

  it("is opened and verified without diagnose()", async () => {
    registerProvider({ scheme: "plain", open: memory });
    const { code, findings } = await diagnose("plain:key");
    expect(code).toBe(0);
    expect(marks(findings)).toEqual(opened);
  });

  it("is reported with the error's own words and what to do if it can't be opened", async () => {
    const open = async () => {
      throw new SignerError("unavailable", "The server doesn't respond. Start it.", { uri: "broken:key" });
    };
    registerProvider({ scheme: "broken", open: () => new KeySigner({ provider: "broken", uri: "broken:key", open }) });
    const { code, out } = await run(["doctor", "broken:key"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✗ key +unavailable\n +The server doesn't respond\. Start it\.$/m);
  });

  it("isn't opened after an error of diagnose() that isn't a SignerError, and the URI isn't repeated", async () => {
    // biome-ignore lint/correctness/useYield: it fails first.
    async function* fails(): AsyncGenerator<Finding> {
      throw new TypeError("the author's mistake");
    }
    registerProvider({ scheme: "faulty", open: memory, diagnose: fails });
    const { code, findings, text } = await diagnose("faulty:key?pin-value=4711");
    expect(code).toBe(1);
    expect(findings[1]).toMatchObject({
      check: "store",
      ok: false,
      found: "unexpected",
      remedy: "faulty: The key store failed: TypeError: the author's mistake.",
    });
    expect(text).not.toContain("4711");
  });
});

describe("the machine", () => {
  it("checks only the machine without a URI", async () => {
    const { code, findings } = await diagnose();
    expect(code).toBe(0);
    expect(marks(findings)).toEqual(["Node: true", "key: null"]);
  });

  it.each([
    ["18.20.0", false],
    ["20.18.9", false],
    ["20.19.0", true],
    ["21.7.0", false],
    ["22.11.0", false],
    ["22.12.0", true],
    ["23.0.0", true],
    ["26.0.0", true],
  ])("checks the version of Node: %s is supported: %s", (version, ok) => {
    expect(nodeCheck(version)).toMatchObject({ ok });
  });
});

describe("the clock", () => {
  const clock = async (date: string | undefined) => {
    const server = await loopbackServer();
    server.http.on("request", (_, res) => {
      res.sendDate = false;
      if (date !== undefined) res.setHeader("date", date);
      res.end();
    });
    const { findings } = await diagnose("--server", server.origin);
    await server.close();
    return findings.find(({ check }) => check === "clock");
  };
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();

  it("passes if the clock agrees with the server's", async () => {
    expect(await clock(at(0))).toMatchObject({ ok: true });
  });

  it.each([
    [-300, "ahead of"],
    [300, "behind"],
  ])("fails if the server's clock differs by %i seconds", async (seconds, which) => {
    const finding = await clock(at(seconds));
    expect(finding).toMatchObject({ ok: false, found: expect.stringContaining(which) });
    const [, offset = ""] = /--clock-offset (-?\d+)/.exec(String(finding?.remedy)) ?? [];
    expect(Math.abs(Number(offset) - seconds)).toBeLessThan(30);
  });

  it("doesn't compare the clock if the server sends no Date header, and says what to do", async () => {
    expect(await clock(undefined)).toMatchObject({ ok: null, remedy: expect.stringContaining("clock") });
  });

  it("reports a server that can't be reached", async () => {
    const { origin, close } = await loopbackServer();
    await close();
    const { code, findings } = await diagnose("--server", origin);
    expect(code).toBe(1);
    expect(findings[1]).toMatchObject({
      check: "clock",
      ok: false,
      found: `${origin} can't be reached (ECONNREFUSED)`,
    });
  });
});

describe("a key in a file", () => {
  it("reports a missing key file", async () => {
    const { code, findings } = await diagnose(`file://${directory}/nothing.pem`);
    expect(code).toBe(1);
    expect(findings.slice(1)).toMatchObject([
      { check: "store", ok: false, found: "key-not-found" },
      { check: "key", ok: null },
    ]);
  });

  it("fails if other users can read the key file", async () => {
    const uri = `file://${directory}/dpop.pem`;
    await run(["keygen", uri]);
    const healthy = ["Node", "file", "directory", "format", "key"].map((check) => `${check}: true`);
    expect(marks((await diagnose(uri)).findings)).toEqual([...healthy, "protection: null", "signature: true"]);
    chmodSync(join(directory, "dpop.pem"), 0o604);
    const { code, findings } = await diagnose(uri);
    expect(code).toBe(1);
    expect(findings[1]).toMatchObject({ check: "file", ok: false, remedy: expect.stringContaining("chmod 600") });
  });

  it.each([0o440, 0o640])("accepts and reports a key file that its group can read: mode %o", async (mode) => {
    const path = join(directory, `group-${mode}.pem`);
    await run(["keygen", `file://${path}`]);
    chmodSync(path, mode);
    const { code, findings } = await diagnose(`file://${path}`);
    expect(code).toBe(0);
    const found = `${path} (mode 0${mode.toString(8)}): its group can read the key`;
    expect(findings[1]).toMatchObject({ ok: null, found, remedy: expect.stringContaining("belongs to the service") });
  });
});

describe("a key in an encrypted file", () => {
  const path = join(directory, "encrypted.pem");
  const uri = `file://${path}?passphrase-source=env:DOCTOR_PASSPHRASE`;
  const passphrase = (findings: Finding[]) => findings.find(({ check }) => check === "passphrase");
  beforeAll(async () => {
    process.env.DOCTOR_PASSPHRASE = "correct horse";
    await run(["keygen", uri]);
  });

  it("passes every check", async () => {
    const { code, findings, text } = await diagnose(uri);
    expect(code).toBe(0);
    expect(findings.find(({ check }) => check === "format")?.found).toBe("PEM of an ENCRYPTED PRIVATE KEY");
    expect(passphrase(findings)).toMatchObject({ ok: true });
    expect(text).not.toContain("correct horse");
  });

  it.each([
    [`file://${path}`, "Add passphrase-source"],
    [uri.replace("DOCTOR_PASSPHRASE", "DOCTOR_UNSET"), "Set it to the passphrase"],
    [uri.replace("env:DOCTOR_PASSPHRASE", "/no/such/file"), "Write the passphrase to it"],
  ])("reports a missing passphrase: %s", async (wrong, remedy) => {
    const { code, findings } = await diagnose(wrong);
    expect(code).toBe(1);
    expect(passphrase(findings)).toMatchObject({ ok: false, remedy: expect.stringContaining(remedy) });
  });

  it("reports a directory in which others can replace the key", async () => {
    const shared = mkdtempSync(join(directory, "shared-"));
    const key = `file://${shared}/dpop.pem`;
    await run(["keygen", key]);
    chmodSync(shared, 0o777);
    const { code, findings } = await diagnose(key);
    expect(code).toBe(1);
    expect(findings.find(({ check }) => check === "directory")).toMatchObject({
      ok: false,
      remedy: "Run chmod go-w on it: other users can replace the key.",
    });
    chmodSync(shared, 0o1777);
    expect((await diagnose(key)).code).toBe(0);
  });

  it.each([
    ["", "empty"],
    ["-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "PEM of a PUBLIC KEY"],
    ["s3cr3t", "text without a PEM block"],
  ])("reports a file that isn't a private key: %j", async (content, found) => {
    writeFileSync(join(directory, "other.pem"), content, { mode: 0o600 });
    const { code, findings, text } = await diagnose(`file://${directory}/other.pem`);
    expect(code).toBe(1);
    expect(findings.at(-2)).toMatchObject({ check: "format", ok: false, found });
    expect(text).not.toContain("s3cr3t");
  });
});

const tpmUnavailable = inject("unavailable").TPM;
describe.skipIf(tpmUnavailable)(`a key in a TPM${tpmUnavailable ? ` (skipped. ${tpmUnavailable})` : ""}`, () => {
  it("runs the same checks for a TPM as for any other token", async () => {
    const tpm = await softTpm({ label: "doctor" });
    process.env.DOCTOR_PIN = tpm.pin;
    const uri = `tpm:token=doctor;object=${tpm.key.label}?store=${tpm.store}&tcti=${encodeURIComponent(tpm.tcti)}&pin-source=env:DOCTOR_PIN`;
    const { findings } = await diagnose(uri);
    await tpm.close();
    expect(marks(findings)).toEqual(
      ["Node", "addon", "module", "token", "hardware", "PIN state", "PIN source", "key", "protection", "signature"].map(
        (check) => `${check}: ${check === "hardware" ? null : true}`,
      ),
    );
  });
});
