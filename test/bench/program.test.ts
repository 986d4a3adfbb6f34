/** Contenders that spin, hang, crash or write without end: each is ended, says so in its row, and the run goes on. */
import { existsSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { type Program, type ProgramOptions, startProgram } from "../../bench/program.js";
import { rateRow } from "../../bench/row.js";
import { takeTurns, turnOf } from "../../bench/turns.js";

/** A contender that answers. */
const WORKS = `
  console.log("ready");
  process.stdin.on("data", () => console.log("1000 1000000000 500000000"));
  process.stdin.on("end", () => process.exit());`;
/** What contenders do when it is their turn: those that never answer, and the others, which have all the time they need. */
const SILENT = {
  "that spins": ["for (;;);", /didn't answer within 0.4 s, and was ended by SIGKILL$/],
  "that hangs": ["", /didn't answer within 0.4 s, and was ended by SIGKILL$/],
  "that hangs and ignores SIGTERM": ["process.on('SIGTERM', () => undefined)", /was ended by SIGKILL$/],
} as const;
const FAULTS = {
  ...SILENT,
  "that crashes": ["process.kill(process.pid, 'SIGSEGV')", /ended with SIGSEGV$/],
  "that throws": ["throw new TypeError('no session')", /ended with code 1: TypeError: no session$/],
  "that exits without a word": ["process.exit(0)", /ended with code 0$/],
  "that writes a line without end": [
    "(function write() { process.stdout.write('x'.repeat(65536), write); })()",
    /wrote more than an answer/,
  ],
  "that writes lines without end": ["setInterval(() => console.log('1 1 x\\n'.repeat(65536)), 1)", /answered "1 1 x"$/],
  "that reports a failure": ["console.log('failed 0x30')", /answered "failed 0x30"$/],
  "that made no call": ["console.log('0 1000 1000')", /answered "0 1000 1000"$/],
} as const;

const started: Program[] = [];
const start = (script: string, options: Partial<ProgramOptions> = {}) => {
  const program = startProgram(process.execPath, ["--eval", script], { title: "It", ...options });
  started.push(program);
  return program;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((program) => program[Symbol.asyncDispose]()));
});

/** The process ID is the contender's first line. */
const faulty = (fault: string) => start(`console.log(process.pid); process.stdin.once("data", () => { ${fault} })`);

/** A process that was killed, and that nobody has waited for yet, is a zombie. */
const isRunning = (pid: string) =>
  existsSync(`/proc/${pid}/stat`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));

describe.each(Object.entries(FAULTS))("a contender %s", (name, [fault, reason]) => {
  it("gives a row that says so, and the others go on", async () => {
    const [works, fails] = [start(WORKS), faulty(fault)];
    const turns = { works: turnOf(works), fails: turnOf(fails, 1, name in SILENT ? 400 : 20_000) };
    const seen = await takeTurns(turns, { rounds: 3, milliseconds: 0 });

    expect(seen.works.turns).toHaveLength(3);
    expect(seen.fails).toMatchObject({ turns: [], failure: expect.stringMatching(reason) });
    const comparison = { work: "w", beside: "b", mark: { atLeast: 1 } };
    expect(rateRow(comparison, seen.works, seen.fails)).toMatchObject({
      outcome: "not measured",
      details: seen.fails.failure,
    });
    expect(rateRow(comparison, seen.fails, seen.works)).toMatchObject({
      outcome: "missed",
      details: seen.fails.failure,
    });
  });
});

describe.runIf(existsSync("/proc/self/stat"))("the process of a contender", () => {
  it.each(["that spins", "that hangs and ignores SIGTERM"] as const)(
    "%s is gone after its time limit",
    async (name) => {
      const program = faulty(FAULTS[name][0]);
      const pid = await program.firstLine;
      expect(isRunning(pid)).toBe(true);
      await expect(turnOf(program, 1, 400)(0)).rejects.toThrow("SIGKILL");
      await expect.poll(() => isRunning(pid)).toBe(false);
    },
  );

  it("takes what it has started with it", async () => {
    const program = start(`
      const { pid } = require("node:child_process").spawn(process.execPath, ["--eval", "setInterval(() => {}, 1000)"]);
      console.log(pid);
      process.stdin.resume();`);
    const pid = await program.firstLine;
    await expect(program.request("turn", 400)).rejects.toThrow("SIGKILL");
    await expect.poll(() => isRunning(pid)).toBe(false);
  });

  it("ends when it is disposed of, even if it spins", async () => {
    const program = faulty("for (;;);");
    const pid = await program.firstLine;
    program.request("turn").catch(() => undefined);
    await program[Symbol.asyncDispose]();
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

describe("a program that doesn't get ready", () => {
  it.each([
    ["hangs", "setInterval(() => {}, 1000)", 400, "didn't answer within 0.4 s"],
    ["spins", "for (;;);", 400, "didn't answer within 0.4 s"],
    ["ends", "console.error('CKR_PIN_LOCKED'); process.exit(3)", 20_000, "ended with code 3: CKR_PIN_LOCKED"],
  ])("because it %s fails every request", async (_, script, limit, message) => {
    const program = start(script, { limit });
    await expect(program.request("turn")).rejects.toThrow(message);
    await expect(program.request("turn")).rejects.toThrow(message);
  });

  it("because it isn't installed fails every request", async () => {
    const program = startProgram("/nonexistent/program", [], { title: "It" });
    await expect(program.request("turn")).rejects.toThrow("It didn't start");
  });
});
