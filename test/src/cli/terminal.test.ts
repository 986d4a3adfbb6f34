/** The installed command in a real terminal (colour, width, progress, Ctrl-C) and without one. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { loopbackServer } from "../../servers/loopback-server.js";
import { installTarball } from "../../tarball.js";
import { start, startInTerminal } from "./process.js";

const installed = installTarball(inject("tarball"), ["graphene-pk11"]);
const command = join(installed.directory, "node_modules/.bin/hardproof");
afterAll(() => installed.remove());

const GREEN = "\u001b[32m";
const CTRL_C = "\u0003";

describe("colour", () => {
  const args = ["verify", "a.b.c"];
  const coloured = (text: string) => text.includes("\u001b[");

  it("uses colour in a terminal", async () => {
    const { out, code } = await startInTerminal(command, ["doctor", "memory:"], 80).ended;
    expect(code).toBe(0);
    expect(out).toContain(`${GREEN}✓ signature`);
  });

  it("uses no colour with NO_COLOR", async () => {
    const { out, code } = await startInTerminal(command, args, 80, { NO_COLOR: "1" }).ended;
    expect(code).toBe(1);
    expect(out).toContain("✗ form");
    expect(coloured(out)).toBe(false);
  });

  it("uses no colour without a terminal, unless FORCE_COLOR is set", async () => {
    const { out, code } = await start(command, args).ended;
    expect(code).toBe(1);
    expect(coloured(out)).toBe(false);
    expect(coloured((await start(command, args, { FORCE_COLOR: "1" }).ended).out)).toBe(true);
  });

  it("never uses colour in JSON", async () => {
    const { out } = await startInTerminal(command, [...args, "--json"], 80).ended;
    expect(JSON.parse(out)).toMatchObject({ valid: false });
  });
});

describe("the width of the terminal", () => {
  const longest = (text: string) =>
    Math.max(
      ...stripVTControlCharacters(text)
        .split(/[\r\n]+/)
        .map((line) => [...line].length),
    );

  it.each(["--help", "token --help", "fetch --help", "show --help"])("is respected by hardproof %s", async (args) => {
    const { out, code } = await startInTerminal(command, args.split(" "), 80).ended;
    expect(code).toBe(0);
    expect(longest(out)).toBeLessThanOrEqual(80);
  });

  it("is taken as 80 columns if the terminal doesn't know it", async () => {
    const { out } = await startInTerminal(command, ["token", "--help"], 0).ended;
    expect(longest(out)).toBeGreaterThan(70);
    expect(longest(out)).toBeLessThanOrEqual(80);
  });
});

describe("the chart of bench", () => {
  it.each([50, 100])("fills a terminal of %i columns, and no line is longer", async (columns) => {
    const args = ["bench", "memory:", "--seconds", "0.2", "--concurrency", "1,2"];
    const { out, code } = await startInTerminal(command, args, columns).ended;
    expect(code).toBe(0);
    const chart = stripVTControlCharacters(out)
      .split(/\r+\n?/)
      .filter((line) => line.includes("█"));
    expect(chart).toHaveLength(2);
    const longest = Math.max(...chart.map((line) => [...line].length));
    expect(longest).toBeLessThanOrEqual(columns);
    expect(longest).toBeGreaterThan(columns - 3);
  });
});

describe("Ctrl-C", () => {
  let hsm: SoftHsm;
  let uri: string;
  beforeAll(async () => {
    hsm = await softHsm({ label: "terminal" });
    uri = `pkcs11:token=terminal;object=dpop?module-path=${SPY}&pin-source=env:HSM_PIN`;
  });
  afterAll(() => hsm.close());

  /** OpenSC's proxy module: logs each call and forwards it to the real module. */
  const SPY =
    ["/usr/lib/x86_64-linux-gnu/pkcs11-spy.so", "/usr/lib/aarch64-linux-gnu/pkcs11-spy.so"].find(existsSync) ?? "";

  it("ends bench with exit code 130, and closes every session on the token", async () => {
    const log = join(installed.directory, "calls");
    const env = { ...hsm.env, HSM_PIN: hsm.pin, PKCS11SPY: hsm.module, PKCS11SPY_OUTPUT: log };
    const bench = startInTerminal(command, ["bench", uri, "--seconds", "600"], 80, env);
    await bench.until("concurrent…");
    bench.child.stdin?.write(CTRL_C);
    const { code, out } = await bench.ended;
    expect(code).toBe(130);
    expect(stripVTControlCharacters(out)).toMatch(/hardproof: Interrupted\.\r?\n$/);
    const calls = [...readFileSync(log, "latin1").matchAll(/^\d+: (C_\w+)/gm)].map(([, name]) => name);
    const count = (name: string) => calls.filter((call) => call === name).length;
    expect(count("C_OpenSession")).toBeGreaterThan(0);
    expect(count("C_CloseSession")).toBe(count("C_OpenSession"));
    expect(calls.at(-1)).toBe("C_Finalize");
  });

  it("ends with exit code 130 while reading standard input", async () => {
    const proof = startInTerminal(command, ["proof", "memory:", "GET", "https://a.example", "--token", "-"], 80);
    await proof.until("End with Enter: ");
    proof.child.stdin?.write("half a token");
    proof.child.stdin?.write(CTRL_C);
    expect(await proof.ended).toMatchObject({ code: 130, out: expect.stringContaining("Interrupted.") });
    expect(proof.printed()).not.toContain("half");
  });

  it("ends with exit code 130 while reading what isn't a secret", async () => {
    const verify = startInTerminal(command, ["verify", "-"], 80);
    await verify.until("Press Ctrl-D to end it.");
    verify.child.stdin?.write(CTRL_C);
    expect(await verify.ended).toMatchObject({ code: 130, out: expect.stringContaining("Interrupted.") });
  });

  it("ends with exit code 130 while waiting for a login in the browser", async () => {
    const client = ["--key", "memory:", "--client-id", "a", "--base-url", "https://a.example"];
    const args = ["token", ...client, "--grant", "authorization_code", "--no-browser"];
    const login = startInTerminal(command, args, 80);
    await login.until("to log in: https://a.example/oauth/authorize?");
    login.child.stdin?.write(CTRL_C);
    expect(await login.ended).toMatchObject({ code: 130, out: expect.stringContaining("Interrupted.") });
  });

  it("ends a request in flight with exit code 143 on SIGTERM", async () => {
    const silent = await loopbackServer();
    const args = ["token", "--key", "memory:", "--client-id", "a", "--base-url", silent.origin];
    const waiting = start(command, args);
    await once(silent.http, "request");
    waiting.child.kill("SIGTERM");
    expect(await waiting.ended).toEqual({ code: 143, out: "", err: "hardproof: Interrupted.\n" });
    await silent.close();
  });
});

describe("the process", () => {
  it.each([
    [["show", "nosuch:hunter2"], 2],
    [["show", "pkcs11:token=t;object=k?pin-value=hunter2"], 2],
    [["token", "--client-secret", "hunter2"], 2],
    [["fetch", "--token=hunter2", "https://a.example"], 2],
    [["verify", "hunter2", "--max-age=hunter2"], 2],
    [[], 2],
  ])("reports the error of %j in one line", async (args, expected) => {
    const { code, out, err } = await start(command, args).ended;
    expect(code).toBe(expected);
    expect(out).toBe("");
    expect(err).toMatch(/^hardproof: [^\n]+\n$/);
    expect(err).not.toMatch(/hunter2|\.js:\d/);
  });

  it("exits silently if the reader of its output closes the pipe", () => {
    const printed = execFileSync("/bin/sh", ["-c", `'${command}' show memory: | head -n 1`], { encoding: "utf8" });
    expect(printed).toMatch(/^key +memory:\n$/);
  });

  it("exits silently if the reader closes the pipe in the middle of a response, or before it", async () => {
    const server = await loopbackServer();
    server.http.on("request", (_, response) => void response.end("line\n".repeat(1_000_000)));
    for (const reader of ["head -n 1", "true"]) {
      const script = `TOKEN=t '${command}' fetch ${server.origin} --key memory: --token-env TOKEN | ${reader}`;
      const { code, err } = await start("/bin/sh", ["-c", script]).ended;
      expect({ code, err }).toEqual({ code: 0, err: "" });
    }
    await server.close();
  });

  it("warns about a PIN in a URI in one line, without repeating the PIN", async () => {
    const uri = "pkcs11:token=t;object=k?module-path=/nowhere.so&pin-value=hunter2";
    const { err } = await start(command, ["show", uri]).ended;
    expect(err).toMatch(/^hardproof: warning: .*pin-source[^\n]*\nhardproof: [^\n]+\n$/);
    expect(err).not.toContain("hunter2");
  });
});
