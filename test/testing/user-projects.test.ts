/** docs/testing.md, followed from an empty folder with the packed package, by each of the test runners. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { type InstalledPackage, installTarball } from "../tarball.js";

const BIN = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));
const page = readFileSync(new URL("../../docs/testing.md", import.meta.url), "utf8");
/** Heading → the file that the reader saves under it. */
const files = new Map(
  [...page.matchAll(/^### (.+)\n(?:(?!^#)[\s\S])*?^```js\n([\s\S]*?)^```$/gm)].map(([, title = "", code = ""]) => [
    title,
    code,
  ]),
);

/** How each runner is started, as the page says. */
const RUNNERS = {
  "node:test": { command: "node --test", peers: [], passed: /^# pass 1$|^ℹ pass 1$/m },
  vitest: { command: "npx vitest run", peers: ["vitest"], passed: /Tests +1 passed/ },
  Jest: {
    command: "NODE_OPTIONS=--experimental-vm-modules npx jest",
    peers: ["jest"],
    passed: /^Tests: +1 passed, 1 total$/m,
  },
} as const;

describe.each(Object.entries(RUNNERS))("a project with %s", (runner, { command, peers, passed }) => {
  const code = files.get(runner) ?? expect.unreachable(`docs/testing.md has no file for ${runner}`);
  let installed: InstalledPackage;
  let temporary: string;
  beforeAll(() => {
    installed = installTarball(inject("tarball"), ["koffi", ...peers]);
    writeFileSync(join(installed.directory, "package.json"), '{ "type": "module" }');
    for (const peer of peers) symlinkSync(join(BIN, peer), join(installed.directory, "node_modules/.bin", peer));
    temporary = mkdtempSync(join(tmpdir(), "hardproof-user-"));
  });
  afterAll(() => {
    installed.remove();
    rmSync(temporary, { recursive: true, force: true });
  });

  it("is described with its command", () => {
    expect(page).toContain(`\`${command}\``);
  });

  it("needs at most 15 lines of the user's own", () => {
    const lines = code.split("\n").filter((line) => line.trim() !== "");
    expect(lines.length).toBeLessThanOrEqual(15);
  });

  it("passes from an empty folder, and leaves nothing behind", () => {
    const file = join(installed.directory, "agent.test.js");
    writeFileSync(file, code);
    const result = run(command);
    expect(`${result.stdout}${result.stderr}`).toMatch(passed);
    expect(result.status).toBe(0);
    expect(readdirSync(temporary).filter((name) => name.startsWith("hardproof"))).toEqual([]);
  }, 120_000);

  it("fails if the token isn't bound to the key, so that the test can fail", () => {
    writeFileSync(join(installed.directory, "agent.test.js"), code.replaceAll("401", "200"));
    expect(run(command).status).not.toBe(0);
  }, 120_000);

  /** Runs the command in a shell, without what vitest sets for its own workers. */
  function run(line: string) {
    const { NODE_OPTIONS: _, ...env } = process.env;
    const clean = Object.fromEntries(
      Object.entries(env).filter(([name]) => !/^(VITEST|NODE_ENV|JEST|NODE_TEST)/.test(name)),
    );
    return spawnSync("sh", ["-c", line], {
      cwd: installed.directory,
      env: { ...clean, TMPDIR: temporary, NO_COLOR: "1", HARDPROOF_PKCS11_WORKER: "", HARDPROOF_SOFTHSM_PROGRAM: "" },
      timeout: 100_000,
      encoding: "utf8",
    });
  }
});
