/** Follows docs/provider-authors.md in an empty folder, beside the packed package: each file and command, in order. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, expect, inject, it } from "vitest";
import { installTarball, linkCompiler } from "./tarball.js";
import { testCounts } from "./test-counts.js";

const page = readFileSync(new URL("../docs/provider-authors.md", import.meta.url), "utf8");
/** Each code block, with the path of the file above it: `path`: */
const blocks = [...page.matchAll(/(?:^`([\w./-]+)`:\n\n)?^```(\w+)\n([\s\S]*?)^```$/gm)].map(
  ([, path, language, code = ""]) => ({ path, language, code }),
);
const [longList = "", algorithms = "", program = ""] = blocks.flatMap(({ path, language, code }) =>
  path === undefined && language === "js" ? code : [],
);

const installed = installTarball(inject("tarball"));
afterAll(() => installed.remove());

/** Runs commands, and returns what each of them printed. `npm install` would ask a registry, so the packages are linked. */
function runCommands(commands: string): Map<string, string> {
  const lines = commands.split("\n").filter(Boolean);
  const exported = lines.flatMap((line) => /^export (\w+)=(.*)$/.exec(line)?.slice(1) ?? []);
  const [name, value = ""] = exported;
  if (name !== undefined) environment[name] = value;
  return new Map(lines.map((line) => [line, line.startsWith("npm install ") ? link(line) : run(line)]));
}

const environment: Record<string, string> = {};
const run = (command: string) =>
  execFileSync("sh", ["-c", command], {
    cwd: installed.directory,
    env: { ...process.env, HARDPROOF_PKCS11_WORKER: "", ...environment },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });

function link(command: string): string {
  if (command.endsWith(" typescript @types/node")) linkCompiler(installed);
  else expect(command).toBe("npm install --save-peer hardproof");
  return "";
}

const printed = new Map<string, string>();
it("leads from an empty folder to a key that the command shows", { timeout: 120_000 }, () => {
  for (const { path, language, code } of blocks)
    if (path !== undefined) writeFile(path, code);
    else if (language === "sh") for (const [line, output] of runCommands(code)) printed.set(line, output);

  const { pass, fail, skipped } = testCounts(printed.get("node --test dist/test/provider.test.js") ?? "");
  expect(pass).toBeGreaterThan(12);
  expect(skipped).toBeGreaterThan(0);
  expect(fail).toBe(0);
  expect(printed.get("npx hardproof keys mystore:")).toBe("mystore:key-1\n");
  expect(printed.get("npx hardproof doctor mystore:key-1")).toMatch(/✓ signature +created and verified/);
  expect([...printed.keys()].at(-1)).toBe("npx hardproof show mystore:key-1");
  expect([...printed.values()].at(-1)).toMatch(/^key +mystore:key-1\nalgorithm +ES256$/m);
});

function writeFile(path: string, text: string): void {
  const file = join(installed.directory, path);
  expect(existsSync(file), `${path} is written twice`).toBe(false);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

it("has a provider that maps the errors of its store", { timeout: 120_000 }, () => {
  const open = (uri: string) => run(`npx hardproof show ${uri}`);
  expect(() => open("mystore:none")).toThrow(/mystore:none: ENOENT: The store doesn't contain this key/);
  expect(() => open("mystore:../key-1")).toThrow(/The URI must be mystore:NAME/);
  expect(() => run("npx hardproof keygen mystore:key-1")).toThrow(/The key already exists/);
  expect(() => run("npx hardproof keygen mystore:key-2 --alg RS256")).toThrow(/can't create keys for RS256/);
});

it("lists keys page by page", () => {
  expect(installed.run(longList)).toBe("mystore:key-1\nmystore:key-2\nmystore:key-3\n");
});

it("chooses the algorithm of a key", () => {
  expect(installed.run(algorithms)).toMatch(
    /alg: 'PS256'[\s\S]*is signed with as rsa-3072-pss, over sha256\necdsa-p256/,
  );
});

it("opens a key of the package that the operator named", () => {
  // As `npm install` does in a program.
  mkdirSync(join(installed.directory, "node_modules/hardproof-provider-mystore"));
  run("cp -R dist package.json node_modules/hardproof-provider-mystore/");
  const env = { HARDPROOF_PROVIDERS: "hardproof-provider-mystore", HARDPROOF_KEY: "mystore:key-1" };
  expect(installed.run(program, env)).toMatch(/provider: 'mystore',\s+uri: 'mystore:key-1'/);
  expect(() => installed.run(program, { ...env, HARDPROOF_PROVIDERS: "" })).toThrow(
    /no provider for the scheme mystore:/,
  );
  expect(() => installed.run(program, { ...env, HARDPROOF_PROVIDERS: "no-such-package" })).toThrow(
    /no-such-package can't be loaded/,
  );
});
