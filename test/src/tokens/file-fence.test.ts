/** A process that is paused between the check of its lease and its write, which only a file system without a fence allows. */
import { mkdtempSync, readdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { fileRecords } from "../../../src/tokens/file-records.js";

const pause = vi.hoisted(() => ({ once: undefined as (() => Promise<void>) | undefined }));
vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof import("node:fs/promises")>();
  const utimes: typeof real.utimes = async (...args) => {
    await real.utimes(...args);
    const { once } = pause;
    pause.once = undefined;
    await once?.();
  };
  return { ...real, utimes };
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-fence-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it.each(["set", "del"] as const)("a process that is paused in %s doesn't change the newer token", async (operation) => {
  const records = fileRecords(directory);
  const [older, newer] = [Buffer.from("older"), Buffer.from("newer")];
  await records.take("ab", "paused", 60_000);
  await records.set("ab", "paused", older, undefined);
  pause.once = async () => {
    for (const name of readdirSync(directory)) if (name.endsWith(".lock")) utimesSync(join(directory, name), 0, 0);
    expect(await records.take("ab", "other", 60_000)).toBe(true);
    expect(await records.set("ab", "other", newer, undefined)).toBe(true);
  };
  const isWritten = await (operation === "set"
    ? records.set("ab", "paused", older, undefined)
    : records.del("ab", "paused"));
  expect(isWritten).toBe(false);
  expect(await records.get("ab")).toEqual(newer);
});
