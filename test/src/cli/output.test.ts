/** The width, progress, colour and help text of the command, and its page in docs/. */
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { bar } from "../../../src/cli/commands/bench.js";
import { EXIT } from "../../../src/cli/exit-codes.js";
import { printable } from "../../../src/cli/output.js";
import { run } from "./run.js";

const COMMANDS = [
  "keygen",
  "keys",
  "show",
  "csr",
  "proof",
  "verify",
  "register",
  "token",
  "fetch",
  "doctor",
  "bench",
  "demo",
];

describe("hardproof bench", () => {
  const args = ["bench", "memory:", "--seconds", "0.1", "--concurrency", "1,4"];

  it.each([60, 80, 132])("draws a chart that fills a terminal of %i columns", async (columns) => {
    const { out } = await run(args, { columns });
    const lines = stripVTControlCharacters(out).trimEnd().split("\n");
    expect(lines).toHaveLength(3);
    const longest = Math.max(...lines.map((line) => [...line].length));
    expect(longest).toBeLessThanOrEqual(columns);
    expect(longest).toBeGreaterThan(columns - 3);
  });

  it("shows progress only in a terminal", async () => {
    expect((await run(args)).err).toBe("");
    expect((await run(args, { columns: 80 })).err).toContain("\r\u001b[K4 concurrent…");
    expect((await run([...args, "--json"], { columns: 80 })).err).toBe("");
  });

  it("prints its figures as JSON", async () => {
    const { out } = await run([...args, "--json"]);
    const [one, four] = JSON.parse(out).levels;
    expect(four.concurrency).toBe(4);
    expect(one.signatures).toBeGreaterThan(0);
    expect(one.p50).toBeLessThanOrEqual(one.p99);
  });
});

describe("bar", () => {
  it("fills its fraction of the columns, in eighths", () => {
    expect(bar(1, 4)).toBe("████");
    expect(bar(0.5, 4)).toBe("██");
    expect(bar(0.53125, 4)).toBe("██▏");
    expect(bar(0, 4)).toBe("");
    expect(bar(1, -3)).toBe("");
  });
});

describe("printable", () => {
  it("returns one line without control characters", () => {
    expect(printable("a\r\nb\u001b[31mc\u202ed\u009b e\t")).toBe("a b [31mc d  e");
  });
});

describe("help", () => {
  it("lists the exit codes and the environment variables", async () => {
    const { code, out, err } = await run(["--help"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    for (const word of ["130", "HARDPROOF_KEY", "HARDPROOF_PROVIDERS", "keygen", "doctor"]) expect(out).toContain(word);
  });

  it("prints help that is not wider than the terminal", async () => {
    const { out } = await run(["token", "--help"], { columns: 70 });
    expect(Math.max(...out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(70);
  });

  it("prints help for each command", async () => {
    for (const name of COMMANDS)
      expect(await run([name, "--help"])).toMatchObject({
        code: 0,
        out: expect.stringContaining(`Usage: hardproof ${name}`),
      });
  });
});

describe("docs/cli.md", () => {
  const page = readFileSync(new URL("../../../docs/cli.md", import.meta.url), "utf8");

  it("documents every command and its options", async () => {
    for (const name of COMMANDS) {
      expect(page).toContain(`\n## ${name}\n`);
      const { out } = await run([name, "--help"]);
      const options = [...out.matchAll(/^ +(?:-\w, )?(--[\w-]+)/gm)].map(([, option = ""]) => option);
      for (const option of options.filter((each) => each !== "--help")) expect(page).toContain(option);
    }
  });

  it("documents every exit code and every environment variable of the help", async () => {
    const { out } = await run(["--help"]);
    for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\|.*\\b${code}\\b.*\\|`, "m"));
    for (const [name] of out.matchAll(/HARDPROOF_\w+/g)) expect(page).toContain(`\`${name}\``);
  });
});
