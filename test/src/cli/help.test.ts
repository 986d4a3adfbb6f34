/** The help of each command, and the manual page from the same source. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { commandPath } from "../../../softhsm/command.js";
import { EXAMPLES, KEY_URI_EXAMPLES } from "../../../src/cli/examples.js";
import { EXIT } from "../../../src/cli/exit-codes.js";
import { roffLines, roffText } from "../../../src/cli/roff.js";
import { openSigner } from "../../../src/index.js";
import { builtInProviders } from "../../../src/keystore/built-in-providers.js";
import { run } from "./run.js";

const commands = Object.keys(EXAMPLES);
const directory = mkdtempSync(join(tmpdir(), "hardproof-man-"));
afterAll(() => rmSync(directory, { recursive: true }));

const helpOf = async (...args: string[]) => (await run([...args, "--help"])).out;

describe("the help", () => {
  it("has examples for every command", async () => {
    const listed = [...(await helpOf()).matchAll(/^ {2}([a-z]+) \[options\]/gm)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual(commands.toSorted());
  });

  it.each(["", ...commands])("fits 80 columns, with examples at its end: %s", async (name) => {
    const help = await helpOf(...(name === "" ? [] : [name]));
    for (const line of help.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    expect(help).not.toContain("<->");
    if (name !== "") expect(help).toContain("\nExamples:\n  hardproof ");
  });

  it("shows a URI of each store, which can be opened", async () => {
    const schemes = KEY_URI_EXAMPLES.map((uri) => uri.split(":")[0]);
    expect(schemes.toSorted()).toEqual(Object.keys(builtInProviders).sort());
    for (const uri of KEY_URI_EXAMPLES) {
      expect(await helpOf("token")).toContain(`  ${uri}\n`);
      await (await openSigner(uri)).close();
    }
  });
});

/** commander reports the first option that a command lacks. */
it.each(Object.values(EXAMPLES).flat())("has an example that the command accepts: %s", async (example) => {
  for (const part of example.split(" | ")) {
    const args = [...part.replaceAll("\\\n", "").matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
      ([, single, double, word]) => single ?? double ?? word ?? "",
    );
    const end = args.findIndex((word) => word === ">" || word === "<" || word === "&&");
    const { err } = await run([...args.slice(1, end < 0 ? undefined : end), "--no-such-option"]);
    expect(err).toMatch(/^hardproof: --no-such-option is not an option/);
  }
});

it("has each exit code in the help and on the manual page", async () => {
  const { out: help } = await run(["--help"]);
  const { out: man } = await run(["man"]);
  for (const code of Object.values(EXIT)) {
    expect(help).toMatch(new RegExp(`^  ${code} +\\w`, "m"));
    expect(man).toMatch(new RegExp(`^\\.TP\\n.*\\b${code}$`, "m"));
  }
});

it("says that demo --softhsm may install SoftHSM", async () => {
  expect((await helpOf("demo")).replace(/\s+/g, " ")).toContain("Installs SoftHSM if that doesn't need a password");
});

describe("the manual page", () => {
  const pageFile = async () => {
    const file = join(directory, "hardproof.1");
    writeFileSync(file, (await run(["man"])).out);
    return file;
  };

  it("has every command and option of the help", async () => {
    const page = readFileSync(await pageFile(), "utf8");
    for (const name of commands) {
      expect(page).toContain(`.SS ${name}\n`);
      for (const [, option = ""] of (await helpOf(name)).matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm))
        expect(page).toContain(roffText(option));
    }
  });

  it.skipIf(!commandPath("groff"))("is rendered by groff without a warning", async () => {
    const { status, stdout, stderr } = spawnSync("groff", ["-man", "-ww", "-Tascii", await pageFile()]);
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
    expect(stdout.toString()).toContain("pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN");
  });

  it.skipIf(!commandPath("mandoc"))("is rendered by mandoc without a warning", async () => {
    const { stdout } = spawnSync("mandoc", ["-Tlint", "-Wwarning", await pageFile()]);
    expect(stdout.toString()).toBe("");
  });

  it.skipIf(!commandPath("groff"))("shows any text as it is", () => {
    const text = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(fc.array(text, { minLength: 50, maxLength: 50 }), (words) => {
        const shown = words.map((word) => word.slice(0, 60)).filter(Boolean);
        const page = `.TH T 1\n.SH A\n${roffLines(shown)}\n`;
        const rendered = execFileSync("groff", ["-man", "-ww", "-Tascii", "-P-cbou"], {
          input: page,
          encoding: "utf8",
        });
        const lines = rendered.split("\n").map((line) => line.trim());
        for (const word of shown) expect(lines).toContain(word);
      }),
      { numRuns: 5 },
    );
  });
});
