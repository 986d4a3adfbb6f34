/** The set-ups of docs/testing.md: each runner runs two files at the same time, and each file has its own token. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, inject, it } from "vitest";
import { type InstalledPackage, installTarball } from "../tarball.js";

const BIN = fileURLToPath(new URL("../../node_modules/.bin", import.meta.url));
const page = readFileSync(new URL("../../docs/testing.md", import.meta.url), "utf8");
/** The files of the page whose first line names them. */
const setUp = [...page.matchAll(/^```js\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)];
/** The commands that add npm's scripts. */
const scripts = /^```sh\n(npm pkg set scripts[\s\S]*?)^```$/m.exec(page)?.[1] ?? expect.unreachable();
/** Heading → the test file under it. */
const tests = new Map(
  [...page.matchAll(/^### (.+)\n(?:(?!^#)[\s\S])*?^```js\n([\s\S]*?)^```$/gm)].map(([, title, code]) => [title, code]),
);

/** Waits until both files have a token, which never happens if they share one or run one after the other. */
const MEET = `
import { readdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export async function meet({ serial }) {
  writeFileSync(\`met/\${serial}\`, String(process.pid));
  for (let tries = 0; readdirSync("met").length < 2; tries++) {
    if (tries === 300) throw new Error("The other file doesn't have a token of its own at the same time.");
    await sleep(100);
  }
}
`;

let installed: InstalledPackage;
afterEach(() => installed.remove());

it("has a file for each runner with a global set-up", () => {
  installed = installTarball(inject("tarball"));
  expect(setUp.map(([, name]) => name)).toEqual(["softhsm-setup.js", "vitest.config.js", "jest.config.js"]);
});

it.each([
  ["node:test", "npm test -- --test-concurrency=2", []],
  ["vitest", "npx vitest run --maxWorkers=2", ["vitest"]],
  ["Jest", "NODE_OPTIONS=--experimental-vm-modules npx jest --maxWorkers=2", ["jest"]],
])(
  "gives two files that %s runs at the same time their own tokens, after one set-up",
  (runner, command, peers) => {
    installed = installTarball(inject("tarball"), ["koffi", ...peers]);
    const { directory } = installed;
    for (const peer of peers) symlinkSync(join(BIN, peer), join(directory, "node_modules/.bin", peer));
    write("package.json", '{ "type": "module" }');
    for (const [, name = "", code = ""] of setUp)
      write(name, code.replace("const reason", 'console.log("set up");\n  const reason'));
    write("meet.js", MEET);
    mkdirSync(join(directory, "met"));
    const code = tests.get(runner) ?? expect.unreachable(`docs/testing.md has no file for ${runner}`);
    const meeting = code.replace(/^.*softHsm\(\), testServer\(\).*$/m, "$&\n  await meet(hsm);");
    expect(meeting).not.toBe(code);
    for (const name of ["one", "two"]) write(`${name}.test.js`, `import { meet } from "./meet.js";\n${meeting}`);
    if (runner === "node:test") expect(run(scripts).status).toBe(0);

    const { status, stdout, stderr } = run(command);
    expect({ status, output: status === 0 ? "" : stdout + stderr }).toEqual({ status: 0, output: "" });
    expect((stdout + stderr).match(/set up/g)).toHaveLength(1);
    const serials = readdirSync(join(directory, "met"));
    const processes = serials.map((serial) => readFileSync(join(directory, "met", serial), "utf8"));
    expect(new Set(serials).size).toBe(2);
    expect(new Set(processes).size).toBe(2);

    function write(name: string, content: string): void {
      writeFileSync(join(directory, name), content);
    }

    /** Runs the commands in a shell, without what vitest sets for its own workers. */
    function run(lines: string) {
      const { NODE_OPTIONS: _, ...env } = process.env;
      const clean = Object.entries(env).filter(([name]) => !/^(VITEST|NODE_ENV|JEST|NODE_TEST|npm_)/.test(name));
      return spawnSync("sh", ["-c", lines], {
        cwd: directory,
        env: {
          ...Object.fromEntries(clean),
          NO_COLOR: "1",
          HARDPROOF_PKCS11_WORKER: "",
          HARDPROOF_SOFTHSM_PROGRAM: "",
          HARDPROOF_SOFTHSM: "require",
        },
        timeout: 150_000,
        encoding: "utf8",
      });
    }
  },
  180_000,
);
