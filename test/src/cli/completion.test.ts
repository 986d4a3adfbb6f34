/** The completion scripts, in the shells themselves. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandPath } from "../../../softhsm/command.js";
import { ensureInstalled } from "../../../softhsm/install.js";
import { builtInProviders } from "../../../src/keystore/built-in-providers.js";
import { startInTerminal } from "./process.js";
import { run } from "./run.js";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

const directory = mkdtempSync(join(tmpdir(), "hardproof-completion-"));
const script = (shell: Shell) => join(directory, `${shell}-script`);
/** Why a shell can't be tested. */
const missing: Partial<Record<Shell, string>> = {};

beforeAll(async () => {
  for (const shell of SHELLS) {
    const { code, out } = await run(["completion", shell]);
    expect(code).toBe(0);
    writeFileSync(script(shell), out);
    const dependency = { title: shell, find: () => commandPath(shell), packages: { "apt-get": shell } };
    await ensureInstalled({ [shell]: dependency }, { log: () => undefined }).catch((error: Error) => {
      missing[shell] = error.message;
    });
  }
  // Prints its arguments in place of the command.
  mkdirSync(join(directory, "bin"));
  const program = join(directory, "bin", "hardproof");
  writeFileSync(program, '#!/bin/sh\nfor each in "$@"; do printf "<%s>" "$each"; done\necho "<end>"\n');
  chmodSync(program, 0o755);
  writeFileSync(join(directory, "public.pem"), "");
});
afterAll(() => rmSync(directory, { recursive: true }));

const STARTS: Readonly<Record<"bash" | "zsh", { args: string[]; load: string }>> = {
  bash: { args: ["--noprofile", "--norc", "-i"], load: `source ${script("bash")}` },
  zsh: {
    args: ["-f", "-i"],
    // Without insert-tab, zsh takes a tab that is followed by more input as pasted text.
    load: `autoload -Uz compinit; compinit -u -D; zstyle ':completion:*' insert-tab false; source ${script("zsh")}`,
  },
};

/** What is typed, with tabs → the arguments that the command receives. */
const TYPED: readonly [string, string][] = [
  ["hardproof keyg\t--alg PS2\t", "<keygen><--alg><PS256><end>"],
  ["hardproof show --js\t", "<show><--json><end>"],
  ["hardproof keys memo\t", "<keys><memory:><end>"],
  ["hardproof show --only=pe\t", "<show><--only=pem><end>"],
  ["hardproof fetch --key ssh\t", "<fetch><--key><ssh-agent:><end>"],
  ["hardproof show --public-key pub\t", "<show><--public-key><public.pem><end>"],
  ["hardproof completion fi\t", "<completion><fish><end>"],
  ["hardproof show --scop\t", "<show><--scop><end>"],
];

describe.each(["bash", "zsh"] as const)("in %s", (shell) => {
  it("completes commands, options, their values, files and the schemes of keys", async (context) => {
    if (missing[shell]) return context.skip(missing[shell]);
    const { args, load } = STARTS[shell];
    const path = `${join(directory, "bin")}${delimiter}${process.env.PATH}`;
    const terminal = startInTerminal(shell, args, 200, { PATH: path, HOME: directory, PS1: "$ ", PROMPT: "$ " });
    terminal.child.stdin?.write(`cd ${directory}; ${load}; hardproof loaded\r`);
    await terminal.until("<loaded><end>");
    for (const [typed, expected] of TYPED) {
      terminal.child.stdin?.write(`${typed}\r`);
      await terminal.until(expected);
    }
    terminal.child.stdin?.write("exit\r");
    await terminal.ended;
  });
});

describe("in fish", () => {
  const completionsOf = (line: string) =>
    execFileSync("fish", ["--no-config", "-c", `source ${script("fish")}; complete -C "${line}"`], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOME: directory },
    })
      .split("\n")
      .map((each) => each.split("\t")[0])
      .filter(Boolean);

  it.each([
    ["hardproof keyg", ["keygen"]],
    ["hardproof keygen --al", ["--alg"]],
    ["hardproof keygen --alg PS", ["PS256", "PS384", "PS512"]],
    ["hardproof keys mem", ["memory:"]],
    ["hardproof show --only j", ["jkt", "jwk", "jwks"]],
    ["hardproof fetch --key ssh", ["ssh-agent:"]],
    ["hardproof show --public-key pub", ["public.pem"]],
    ["hardproof completion ", ["bash", "fish", "zsh"]],
    ["hardproof show --scop", []],
  ])("completes %s", (line, expected) => {
    if (missing.fish) return console.log(missing.fish);
    expect(completionsOf(line).sort()).toEqual(expected);
  });
});

it.each(SHELLS)("prints a script for %s that names each scheme and contains only ASCII", async (shell) => {
  const { out } = await run(["completion", shell]);
  for (const scheme of Object.keys(builtInProviders)) expect(out).toContain(`${scheme}:`);
  expect(out).toMatch(/^[\n\x20-\x7e]+$/);
});

it("prints the script in a JSON document", async () => {
  const { out } = await run(["completion", "fish", "--json"]);
  expect(JSON.parse(out)).toEqual({ shell: "fish", script: expect.stringContaining("complete -c hardproof") });
});
