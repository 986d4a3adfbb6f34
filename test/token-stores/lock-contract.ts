/** What each token store with a lock for several processes does. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import type { StoredToken, TokenStore } from "hardproof";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OpenStore, openStore, type StoreDescription, TEST_KEY } from "./open-store.js";

const holderProgram = fileURLToPath(new URL("../processes/lock-holder.ts", import.meta.url));

export const token = (accessToken: string): StoredToken => ({
  raw: { access_token: `secret-${accessToken}` },
  refreshToken: "secret-refresh",
  expiresAt: null,
});

/** Milliseconds: short enough for tests that wait for its end, and longer than a busy machine needs to extend it. */
const LEASE = 2_000;

/** A store to test. */
export interface LockFixture {
  /** Runs before each test. */
  readonly before?: () => unknown;
  /** Returns a store, which is the same within a test, and has no tokens at its start. */
  describeStore(): StoreDescription;
  /** Whether to test with processes that are killed and paused. Default: true. */
  readonly withProcesses?: boolean;
}

/** Defines the tests. */
export function lockContract({ before, describeStore, withProcesses = true }: LockFixture): void {
  const opened: AsyncDisposable[] = [];
  const children: ChildProcess[] = [];
  beforeEach(async () => void (await before?.()));
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const store of opened.splice(0)) await store[Symbol.asyncDispose]();
  });

  async function open(...args: Parameters<typeof openStore>): Promise<Required<TokenStore>> {
    const store: OpenStore = await openStore(...args);
    opened.push(store);
    const { lock = expect.unreachable() } = store.store;
    return { ...store.store, lock };
  }

  /** Starts a process that has the lock of the token `k`. */
  async function holder(description: StoreDescription): Promise<ChildProcess> {
    const child = fork(holderProgram, [JSON.stringify(description)], { execArgv: ["--import", "tsx"] });
    children.push(child);
    expect(await once(child, "message")).toContain("locked");
    return child;
  }

  it("returns what was stored under a key until it is deleted", async () => {
    const [one, other] = [await open(describeStore()), await open(describeStore())];
    expect(await one.get("a")).toBeUndefined();
    await one.del("a");
    await one.set("a", token("one"));
    await one.set("b", token("two"));
    await other.set("a", token("three"));
    expect([await one.get("a"), await one.get("b")]).toEqual([token("three"), token("two")]);
    await other.del("a");
    expect([await one.get("a"), await one.get("b")]).toEqual([undefined, token("two")]);
  });

  it("decrypts with each key of a list, and encrypts with the first", async () => {
    const [older, newer] = [TEST_KEY, new Uint8Array(32).fill(8)];
    const description = describeStore();
    await (await open(description, older)).set("a", token("a"));
    const both = await open(description, [newer, older]);
    expect(await both.get("a")).toEqual(token("a"));
    await both.set("a", token("b"));
    expect(await (await open(description, [newer])).get("a")).toEqual(token("b"));
    const error = await (await open(description, older)).get("a").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: "TokenStoreError", code: "unreadable" });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("secret");
  });

  it("runs the work of one store at a time, and extends its lease while it works", async () => {
    const description = { ...describeStore(), lease: 1_500 };
    const stores = await Promise.all(Array.from({ length: 2 }, () => open(description)));
    let running = 0;
    const work = async () => {
      running += 1;
      await wait(2_500);
      expect(running).toBe(1);
      running -= 1;
    };
    await Promise.all(stores.map(({ lock }) => lock("a", work)));
  });

  it("rejects with the error of the work, and frees the lock", async () => {
    const { lock } = await open(describeStore());
    await expect(lock("a", () => Promise.reject(new Error("refused")))).rejects.toThrow("refused");
    await lock("a", async () => undefined);
  });

  it("lets the work write, and other writes wait for the work", async () => {
    const store = await open(describeStore());
    let outside: Promise<void> | undefined;
    let start: () => void = expect.unreachable;
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    void started.then(() => {
      outside = store.set("a", token("outside"));
    });
    await store.lock("a", async () => {
      start();
      await store.set("a", token("inside"));
      expect(await store.get("a")).toEqual(token("inside"));
    });
    await outside;
    expect(await store.get("a")).toEqual(token("outside"));
  });

  it("takes the lock again for a write that the work has started and that runs after its end", async () => {
    const store = await open(describeStore());
    let end: () => void = expect.unreachable;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    let late: Promise<void> | undefined;
    await store.lock("a", async () => {
      late = ended.then(() => store.set("a", token("late")));
    });
    end();
    await late;
    expect(await store.get("a")).toEqual(token("late"));
  });

  it("stops waiting for the lock if the signal aborts, without running the work", async () => {
    const description = describeStore();
    const [one, other] = [await open(description), await open(description)];
    await one.lock("a", async () => {
      const reason = new Error("no time");
      for (const store of [one, other]) {
        const lock = store.lock("a", () => expect.unreachable(), { signal: AbortSignal.timeout(50) });
        await expect(lock).rejects.toMatchObject({ name: "TimeoutError" });
        const aborted = store.lock("a", () => expect.unreachable(), { signal: AbortSignal.abort(reason) });
        await expect(aborted).rejects.toBe(reason);
      }
    });
  });

  it.each([0, 99, Number.NaN, Number.POSITIVE_INFINITY, "5" as never])("rejects a lease of %s ms", async (lease) => {
    await expect(open({ ...describeStore(), lease })).rejects.toMatchObject({ code: "misconfigured" });
  });

  if (!withProcesses) return;
  describe("with several processes", { timeout: 60_000 }, () => {
    it("gives the lock of a killed process to another one", async () => {
      const description = { ...describeStore(), lease: LEASE };
      const child = await holder(description);
      child.kill("SIGKILL");
      await once(child, "exit");
      const store = await open(description);
      await store.lock("k", () => store.set("k", token("after the kill")));
      expect(await store.get("k")).toEqual(token("after the kill"));
    });

    it("doesn't let a process that was paused for longer than its lease overwrite a newer token", async () => {
      const description = { ...describeStore(), lease: LEASE };
      const child = await holder(description);
      child.kill("SIGSTOP");
      const store = await open(description);
      await store.lock("k", () => store.set("k", token("newer")));
      child.kill("SIGCONT");
      child.send("write");
      expect(await once(child, "message")).toContain("lease-lost");
      expect(await store.get("k")).toEqual(token("newer"));
    });

    it("lets a process that was paused write if no other one has taken its lease", async () => {
      const description = { ...describeStore(), lease: LEASE };
      const child = await holder(description);
      child.kill("SIGSTOP");
      await wait(1.5 * LEASE);
      child.kill("SIGCONT");
      child.send("write");
      expect(await once(child, "message")).toContain("written");
      expect((await (await open(description)).get("k"))?.raw.access_token).toBe("of the holder");
    });
  });
}
