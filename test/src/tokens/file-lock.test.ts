/** The lock of the encrypted file store, and files that a killed process leaves. */
import { hash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { encryptedTokenStore } from "hardproof";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fileRecords } from "../../../src/tokens/file-records.js";
import { lockContract, token } from "../../token-stores/lock-contract.js";
import { TEST_KEY } from "../../token-stores/open-store.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hardproof-lock-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

describe("an encrypted file store", () => {
  lockContract({ describeStore: () => ({ kind: "file", directory }) });

  it("removes the files of killed processes, of this version and of 0.1.0", async () => {
    const store = encryptedTokenStore({ directory, key: TEST_KEY });
    await store.set("a", token("one"));
    const [file = ""] = readdirSync(directory);
    const id = file.replace(".token", "");
    writeFileSync(join(directory, `${id}.0b1c.new`), "partial");
    writeFileSync(join(directory, `${file}.0123456789abcdef`), "partial");
    writeFileSync(join(directory, "other.0b1c.new"), "of another token");
    await store.set("a", token("two"));
    expect(readdirSync(directory).sort()).toEqual([file, "other.0b1c.new"].sort());
  });
});

it("a lock that isn't freed within a minute is an error that says so", async () => {
  await fileRecords(directory).take(hash("sha256", "a"), "other-owner", 3_600_000);
  const { lock } = encryptedTokenStore({ directory, key: TEST_KEY });
  vi.useFakeTimers({ toFake: ["performance"] });
  const locked = lock?.("a", () => expect.unreachable());
  await wait(50);
  vi.advanceTimersByTime(61_000);
  await expect(locked).rejects.toMatchObject({ code: "unavailable", message: expect.stringContaining("is locked") });
  vi.useRealTimers();
});

describe("the lease of a file", () => {
  const [id, one, other] = ["ab", "owner-1", "owner-2"];
  const value = Buffer.from("value");
  /** Makes all leases end, as time would. */
  const endLeases = () => {
    for (const name of readdirSync(directory).filter((name) => name.endsWith(".lock")))
      utimesSync(join(directory, name), 0, 0);
  };

  it("has one owner until it ends or is freed", async () => {
    const records = fileRecords(directory);
    expect(await records.take(id, one, 60_000)).toBe(true);
    expect(await records.take(id, one, 60_000)).toBe(true);
    expect(await records.take(id, other, 60_000)).toBe(false);
    await records.release(id, one);
    expect(await records.take(id, other, 60_000)).toBe(true);
    endLeases();
    expect(await records.take(id, one, 60_000)).toBe(true);
    expect(await records.extend(id, other, 60_000)).toBe(false);
    expect(await records.set(id, other, value, undefined)).toBe(false);
    expect(await records.del(id, other)).toBe(false);
    expect(await records.get(id)).toBeUndefined();
  });

  it("has at most one owner of many that take it at the same moment", async () => {
    const records = fileRecords(directory);
    const owners = Array.from({ length: 20 }, (_, n) => `owner-${n}`);
    const taken = await Promise.all(owners.map((owner) => records.take(id, owner, 60_000)));
    expect(taken.filter(Boolean).length).toBeLessThanOrEqual(1);
  });

  it("keeps the file that its owner is writing while another process tries to take the lease", async () => {
    const records = fileRecords(directory);
    await records.take(id, one, 60_000);
    writeFileSync(join(directory, `${id}.${one}.new`), "being written");
    expect(await records.take(id, other, 60_000)).toBe(false);
    expect(readdirSync(directory)).toContain(`${id}.${one}.new`);
  });

  it("deletes the file that a paused process is about to rename", async () => {
    const records = fileRecords(directory);
    await records.take(id, one, 60_000);
    writeFileSync(join(directory, `${id}.${one}.new`), "older");
    endLeases();
    await records.take(id, other, 60_000);
    expect(readdirSync(directory).filter((name) => name.endsWith(".new"))).toEqual([]);
  });
});
