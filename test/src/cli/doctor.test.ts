/** `hardproof doctor`, where all is well, and where each thing in turn is not. */
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { type SoftHsm, softHsm } from "../../../softhsm/index.js";
import { nodeCheck } from "../../../src/cli/doctor-checks.js";
import { loopbackServer } from "../../servers/loopback-server.js";
import { softTpm } from "../../tokens/index.js";
import { run } from "./run.js";

interface Finding {
  check: string;
  ok: boolean | null;
  found: string;
  remedy?: string;
}

async function examined(...args: string[]): Promise<{ code: number; findings: Finding[]; text: string }> {
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

  it("has nothing wrong with it", async () => {
    const { code, findings, text } = await examined(uri);
    expect(marks(findings)).toEqual([
      "Node: true",
      "addon: true",
      "module: true",
      "token: true",
      "PIN state: true",
      "PIN source: true",
      "key: true",
      "protection: true",
      "signature: true",
    ]);
    expect(code).toBe(0);
    expect(text).not.toContain(hsm.pin);
  });

  it("is told line by line, with the remedy", async () => {
    chmodSync(pinFile, 0o644);
    const { code, out } = await run(["doctor", uri]);
    expect(code).toBe(1);
    expect(out).toMatch(/^✓ token +"doctor", serial \w+, SoftHSM v2/m);
    expect(out).toMatch(/^✗ PIN source +\S+ \(mode 0644\)\n +Run chmod 600: other users can read the PIN\.$/m);
    expect(out).toMatch(/^– key +not opened/m);
  });

  it("may have a PIN that its group can read, as a Kubernetes secret under fsGroup", async () => {
    chmodSync(pinFile, 0o440);
    const { code, findings } = await examined(uri);
    expect(code).toBe(0);
    expect(findings.find(({ check }) => check === "PIN source")).toMatchObject({
      ok: null,
      found: `${pinFile} (mode 0440): its group can read the PIN`,
    });
    expect(marks(findings)).toContain("signature: true");
  });

  it("misses the PIN file", async () => {
    rmSync(pinFile);
    const { code, findings } = await examined(uri);
    expect(code).toBe(1);
    expect(findings.at(-2)).toMatchObject({ check: "PIN source", ok: false, found: `${pinFile} can't be read` });
  });

  it("misses the environment variable", async () => {
    const { findings } = await examined(uri.replace(`file:${pinFile}`, "env:NOBODY_SET_THIS"));
    expect(findings.at(-2)).toMatchObject({ check: "PIN source", ok: false });
  });

  it("misses the module, and finds one that others can write", async () => {
    const missing = await examined(uri.replace(hsm.module, "/nowhere/libsofthsm2.so"));
    expect(missing.findings.at(-2)).toMatchObject({
      check: "store",
      ok: false,
      remedy: expect.stringContaining("no PKCS#11 module"),
    });
    const writable = join(directory, "libsofthsm2.so");
    copyFileSync(hsm.module, writable);
    chmodSync(writable, 0o777);
    const found = await examined(uri.replace(hsm.module, writable), "--no-login");
    expect(found.findings.find(({ check }) => check === "module")).toMatchObject({ ok: false });
  });

  it("finds a file that is no module", async () => {
    const text = join(directory, "text.so");
    writeFileSync(text, "hello");
    const { findings } = await examined(uri.replace(hsm.module, text));
    expect(findings.at(-2)).toMatchObject({ ok: false, found: "misconfigured" });
  });

  it("misses the token, and names those that are there", async () => {
    const { findings } = await examined(uri.replace("token=doctor", "token=another"));
    expect(findings.at(-2)).toMatchObject({
      ok: false,
      found: "key-not-found",
      remedy: expect.stringContaining('"doctor"'),
    });
  });

  it("misses the key", async () => {
    const { code, findings } = await examined(uri.replace("object=dpop", "object=another"));
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatchObject({ check: "key", ok: false, found: "key-not-found" });
  });

  it("looks at the PIN's state without a try: not even a wrong one is spent with --no-login", async () => {
    writeFileSync(pinFile, "wrong");
    const unlogged = await examined(uri, "--no-login");
    expect(unlogged.code).toBe(0);
    expect(unlogged.findings.at(-1)).toMatchObject({ check: "key", ok: null });
    // SoftHSM sets CKF_USER_PIN_COUNT_LOW at the first failure: it has seen none.
    const again = await examined(uri, "--no-login");
    expect(again.findings.find(({ check }) => check === "PIN state")).toMatchObject({ ok: true });
  });

  it("says that a wrong PIN was tried, until a right one was", async () => {
    const wrong = new Pkcs11Signer({ module: hsm.module, token: "doctor", key: "dpop", pin: "also wrong" });
    await expect(wrong.publicJwk()).rejects.toMatchObject({ code: "pin-incorrect" });
    const state = async () => (await examined(uri, "--no-login")).findings.find(({ check }) => check === "PIN state");
    expect(await state()).toMatchObject({ ok: null, found: "a wrong PIN was tried since the last login" });
    expect((await examined(uri)).code).toBe(0);
    expect(await state()).toMatchObject({ ok: true });
  });

  it("says that the PIN is wrong, once it was tried", async () => {
    writeFileSync(pinFile, "another wrong one");
    const { code, findings, text } = await examined(uri);
    expect(code).toBe(1);
    expect(findings.at(-1)).toMatchObject({ check: "key", ok: false, found: "pin-incorrect" });
    expect(text).not.toContain("another wrong one");
  });
});

describe("a key without a diagnosis of its own", () => {
  it("is opened, described and tried", async () => {
    const { code, findings } = await examined("memory:");
    expect(code).toBe(0);
    expect(marks(findings)).toEqual(["Node: true", "key: true", "protection: null", "signature: true"]);
  });
});

describe("the machine", () => {
  it("is all that is looked at without a key", async () => {
    const { code, findings } = await examined();
    expect(code).toBe(0);
    expect(marks(findings)).toEqual(["Node: true", "key: null"]);
  });

  it.each([
    ["20.19.0", true],
    ["22.0.0", true],
    ["20.18.9", false],
    ["18.20.0", false],
  ])("has Node %s", (version, ok) => {
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
    const { findings } = await examined("--server", server.origin);
    await server.close();
    return findings.find(({ check }) => check === "clock");
  };
  const at = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();

  it("agrees with a server's", async () => {
    expect(await clock(at(0))).toMatchObject({ ok: true });
  });

  it.each([
    [-300, "ahead of"],
    [300, "behind"],
  ])("differs by %i seconds", async (seconds, which) => {
    expect(await clock(at(seconds))).toMatchObject({ ok: false, found: expect.stringContaining(which) });
  });

  it("can't be compared with a server that sends no Date", async () => {
    expect(await clock(undefined)).toMatchObject({ ok: null });
  });

  it("can't be compared with a server that is not there", async () => {
    const { origin, close } = await loopbackServer();
    await close();
    const { code, findings } = await examined("--server", origin);
    expect(code).toBe(1);
    expect(findings[1]).toMatchObject({
      check: "clock",
      ok: false,
      found: `${origin} can't be reached (ECONNREFUSED)`,
    });
  });
});

describe("a key in a file", () => {
  it("is missed", async () => {
    const { code, findings } = await examined(`file://${directory}/nothing.pem`);
    expect(code).toBe(1);
    expect(findings.slice(1)).toMatchObject([
      { check: "store", ok: false, found: "key-not-found" },
      { check: "key", ok: null },
    ]);
  });

  it("is for its owner's eyes alone", async () => {
    const uri = `file://${directory}/dpop.pem`;
    await run(["keygen", uri]);
    expect(marks((await examined(uri)).findings)).toContain("file: true");
    chmodSync(join(directory, "dpop.pem"), 0o604);
    const { code, findings } = await examined(uri);
    expect(code).toBe(1);
    expect(findings[1]).toMatchObject({ check: "file", ok: false, remedy: expect.stringContaining("chmod 600") });
  });

  it.each([0o440, 0o640])("may be its group's too, which is said: mode %o", async (mode) => {
    const path = join(directory, `group-${mode}.pem`);
    await run(["keygen", `file://${path}`]);
    chmodSync(path, mode);
    const { code, findings } = await examined(`file://${path}`);
    expect(code).toBe(0);
    const found = `${path} (mode 0${mode.toString(8)}): its group can read the key`;
    expect(findings[1]).toMatchObject({ ok: null, found, remedy: expect.stringContaining("belongs to the service") });
  });
});

const noTpm = inject("unavailable").TPM;
describe.skipIf(noTpm)(`a key in a TPM${noTpm ? ` (skipped. ${noTpm})` : ""}`, () => {
  it("is looked at as one on any token", async () => {
    const tpm = await softTpm({ label: "doctor" });
    process.env.DOCTOR_PIN = tpm.pin;
    const uri = `tpm:token=doctor;object=${tpm.key.label}?store=${tpm.store}&tcti=${encodeURIComponent(tpm.tcti)}&pin-source=env:DOCTOR_PIN`;
    const { findings } = await examined(uri);
    await tpm.close();
    expect(marks(findings)).toEqual(
      ["Node", "addon", "module", "token", "PIN state", "PIN source", "key", "protection", "signature"].map(
        (check) => `${check}: true`,
      ),
    );
  });
});
