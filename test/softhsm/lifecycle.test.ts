/** What tokens leave behind: nothing, however their process ends. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { softHsm } from "hardproof/softhsm";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { memoryDirectory } from "../../softhsm/directory.js";
import { isLeftover, ownPrefix, removeLeftovers } from "../../softhsm/leftovers.js";
import { runModule, runNode } from "./child.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

describe("close()", () => {
  it("removes the private directory and restores SOFTHSM2_CONF", async () => {
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    const listeners = () => ["exit", "SIGINT", "SIGTERM", "SIGHUP"].map((event) => process.listenerCount(event));
    const before = listeners();
    const hsm = await softHsm({ label: "clean" });
    expect(process.env.SOFTHSM2_CONF).toBe(hsm.env.SOFTHSM2_CONF);
    expect(dirname(hsm.env.SOFTHSM2_CONF)).toBe(hsm.directory);
    expect(statSync(hsm.directory).mode & 0o777).toBe(0o700);
    await hsm.close();
    await hsm.close();
    expect(existsSync(hsm.directory)).toBe(false);
    expect(process.env.SOFTHSM2_CONF).toBe("/home/user/softhsm2.conf");
    expect(listeners()).toEqual(before);
  });

  it("removes SOFTHSM2_CONF if it was not set before", async () => {
    vi.stubEnv("SOFTHSM2_CONF", undefined);
    await (await softHsm()).close();
    expect("SOFTHSM2_CONF" in process.env).toBe(false);
  });

  it("does not change another open token, and leaves the variable to the next one", async () => {
    vi.stubEnv("SOFTHSM2_CONF", "/home/user/softhsm2.conf");
    const one = await softHsm();
    await using other = await softHsm();
    await one.close();
    expect(process.env.SOFTHSM2_CONF).toBe("/home/user/softhsm2.conf");
    await other.addKey({ label: "second" });
    await using next = await softHsm();
    await one.close();
    expect(process.env.SOFTHSM2_CONF).toBe(next.env.SOFTHSM2_CONF);
  });

  it("uses TMPDIR if it is set", async () => {
    vi.stubEnv("TMPDIR", directory);
    await using hsm = await softHsm();
    expect(dirname(hsm.directory)).toBe(directory);
  });
});

/** A program that makes a token, prints its directory, and then runs `end`. */
const program = (end: string) => `
  import { existsSync } from "node:fs";
  import { softHsm } from "hardproof/softhsm";
  const sendSignal = (signal) => { process.kill(process.pid, signal); return new Promise((done) => setTimeout(done, 10_000)); };
  const hsm = await softHsm();
  if (!existsSync(hsm.env.SOFTHSM2_CONF)) throw new Error("The token does not exist.");
  console.log(hsm.directory);
  ${end}`;

describe("a program that doesn't close its token", () => {
  it.each([
    ["ends normally", "", { code: 0, signal: null }],
    ["calls process.exit", "process.exit(3)", { code: 3, signal: null }],
    ["throws", "throw new Error('expected')", { code: 1, signal: null }],
    ["is ended by SIGTERM", "await sendSignal('SIGTERM')", { code: null, signal: "SIGTERM" }],
    ["is ended by SIGINT", "await sendSignal('SIGINT')", { code: null, signal: "SIGINT" }],
    ["is ended by SIGHUP", "await sendSignal('SIGHUP')", { code: null, signal: "SIGHUP" }],
    [
      "handles SIGTERM itself",
      "process.once('SIGTERM', () => setTimeout(() => process.exit(existsSync(hsm.directory) ? 7 : 8), 50)); await sendSignal('SIGTERM')",
      { code: 7, signal: null },
    ],
  ])("leaves no directory and does not change how it ends if it %s", async (_, end, expected) => {
    const { output, code, signal } = await runModule(program(end));
    expect({ code, signal }).toEqual(expected);
    expect(output).toMatch(/hardproof-softhsm-/);
    expect(existsSync(output)).toBe(false);
  });

  it("does not affect concurrent programs", async () => {
    const endings = ["", "await sendSignal('SIGTERM')", "await hsm.close()"];
    const directories = (await Promise.all(endings.map((end) => runModule(program(end))))).map(({ output }) => output);
    expect(new Set(directories).size).toBe(3);
    expect(directories.filter((path) => path === "" || existsSync(path))).toEqual([]);
  });

  it("ends with exit code 130 in a shell after Ctrl-C", () => {
    const inner = program("await sendSignal('SIGINT')").replaceAll("'", `'\\''`);
    const script = `'${process.execPath}' --input-type=module -e '${inner}' >/dev/null; echo $?`;
    const root = fileURLToPath(new URL("../..", import.meta.url));
    expect(execFileSync("sh", ["-c", script], { cwd: root, encoding: "utf8" }).trim()).toBe("130");
  });
});

describe("a program that is killed", () => {
  it("leaves its directory to the next one, and no process", async () => {
    let maker = 0;
    const killed = await runModule(program("setInterval(() => {}, 1000)"), {}, (_, child) => {
      const { pid } = child;
      maker = Number(execFileSync("ps", ["-o", "pid=", "--ppid", `${pid}`], { encoding: "utf8" }));
      child.kill("SIGKILL");
    });
    expect(killed.signal).toBe("SIGKILL");
    expect(existsSync(killed.output)).toBe(true);
    expect(maker).toBeGreaterThan(0);
    await expect.poll(() => existsSync(`/proc/${maker}`)).toBe(false);
    const { output } = await runModule(program(""));
    expect(existsSync(output)).toBe(false);
    expect(existsSync(killed.output)).toBe(false);
  });

  it("is recognised by its process id and start time", async () => {
    const own = ownPrefix();
    const [, host = "", pid, started = ""] = /softhsm-(\w+)-(\d+)-(\w+)-$/.exec(own) ?? [];
    const sleeping = spawn("sleep", ["100"]);
    expect(isLeftover(`${own}abcdef`)).toBe(false);
    expect(isLeftover(`hardproof-softhsm-${host}-${pid}-${started}1-abcdef`)).toBe(true);
    expect(isLeftover(`hardproof-softhsm-${host}-${sleeping.pid}-${started}-abcdef`)).toBe(true);
    expect(isLeftover(`hardproof-softhsm-${host}-${sleeping.pid}-x-abcdef`)).toBe(false);
    expect(isLeftover(`hardproof-softhsm-${host}-4194999-${started}-abcdef`)).toBe(true);
    expect(isLeftover(`hardproof-softhsm-${host}-4194999-x-abcdef`)).toBe(true);
    sleeping.kill();
    for (const other of ["00000000", "zzzzzzzz"])
      expect(isLeftover(`hardproof-softhsm-${other}-4194999-${started}-abcdef`)).toBe(false);
    for (const name of ["hardproof-softhsm-abcdef", `${own}abcdef-more`, "other", ""])
      expect(isLeftover(name)).toBe(false);
    expect(hostname() + readlinkSync("/proc/self/ns/pid")).not.toContain(host);
  });

  it("loses neither what a link points to, nor the directories of others", async () => {
    const name = ownPrefix().replace(/-\w+-$/, "-1-abcdef");
    const [target, victims] = [join(directory, "target"), join(directory, "victims")];
    for (const path of [target, victims, join(victims, `${ownPrefix()}abcdef`), join(victims, "other")])
      mkdirSync(path);
    symlinkSync(target, join(victims, name));
    await removeLeftovers([victims, join(directory, "missing")]);
    expect(existsSync(target)).toBe(true);
    expect(readdirSync(victims)).toHaveLength(3);
    rmSync(join(victims, name));
    mkdirSync(join(victims, name));
    await removeLeftovers([victims]);
    expect(readdirSync(victims)).toHaveLength(2);
  });
});

describe("two workers in parallel", () => {
  const parent = mkdtempSync(join(memoryDirectory() ?? tmpdir(), "hardproof-test-"));
  afterAll(() => rmSync(parent, { recursive: true }));
  const env = { SOFTHSM2_CONF: "/home/user/softhsm2.conf", TMPDIR: parent };
  const worker = fileURLToPath(new URL("make-tokens.mjs", import.meta.url));

  it("make 30 tokens each, without a clash, and leave nothing", async () => {
    const workers = await Promise.all([1, 2].map(() => runNode([worker, "30"], env)));
    for (const { output, errors } of workers) {
      expect(errors).toBe("");
      expect(output).toBe("30 /home/user/softhsm2.conf");
    }
    expect(readdirSync(parent)).toEqual([]);
  }, 300_000);

  it("may be threads of one process, each with its own token", async () => {
    const start = `
      import { once } from "node:events";
      import { Worker } from "node:worker_threads";
      const workers = [1, 2].map(() => new Worker(${JSON.stringify(worker)}, { argv: ["5"], execArgv: [] }));
      console.log((await Promise.all(workers.map((worker) => once(worker, "exit")))).join());`;
    const { output, errors } = await runModule(start, env);
    expect(errors).toBe("");
    expect(output.split("\n").sort()).toEqual(["0,0", ...Array(2).fill("5 /home/user/softhsm2.conf")]);
    expect(readdirSync(parent)).toEqual([]);
  }, 60_000);
});
