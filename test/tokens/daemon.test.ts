/** Programs that run in the background for a test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startDaemon } from "./daemon.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-test-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("a daemon", () => {
  const log = () => join(directory, "log");
  const start = (script: string, ready = () => existsSync(join(directory, "ready"))) =>
    startDaemon("/bin/sh", ["-c", `cd ${directory}; ${script}`], { log: log(), ready });

  it("kills a daemon together with its child processes", async () => {
    const daemon = await start("(while sleep 0.01; do echo >>beats; done) & touch ready; sleep 100");
    await expect.poll(() => existsSync(join(directory, "beats"))).toBe(true);
    await daemon.kill();
    const beats = statSync(join(directory, "beats")).size;
    await new Promise((done) => setTimeout(done, 50));
    expect(statSync(join(directory, "beats")).size).toBe(beats);
    await daemon.kill();
  });

  it("reports a daemon that ends immediately, with its log", async () => {
    await expect(start("echo no such device >&2; exit 3")).rejects.toThrow(/did not start:\nno such device/);
  });

  it("lets a daemon write a large log without blocking", async () => {
    const daemon = await start("yes a line | head -100000 >&2; touch ready; sleep 100");
    expect(statSync(log()).size).toBe(700_000);
    await daemon.kill();
  });

  it("ends a daemon if this process is killed", async () => {
    const beats = join(directory, "beats");
    const script = `
      const { startDaemon } = await import("./test/tokens/daemon.ts");
      const loop = "while sleep 0.01; do echo >>${beats}; done";
      await startDaemon("/bin/sh", ["-c", loop], { log: "${log()}", ready: async () => (await import("node:fs")).existsSync("${beats}") });
      process.kill(process.pid, "SIGKILL");`;
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], { cwd: root });
    expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
    const stopped = async () => {
      const before = statSync(beats).size;
      await new Promise((done) => setTimeout(done, 100));
      return statSync(beats).size === before;
    };
    await expect.poll(stopped, { timeout: 10_000 }).toBe(true);
  });
});
