/** What every store that lists its keys in pages must do, with an emulator whose pages are small. */
import type { ProviderOptions } from "hardproof";
import { expect, it } from "vitest";
import type { FaultPlan } from "../../testing/emulators/fault-plan.js";

/** A store whose keys the cases add. */
export interface PagedStore<Calls extends object> {
  readonly plan: FaultPlan<Calls>;
  /** The operation that returns a page of keys. */
  readonly pageOperation: keyof Calls;
  readonly keysPerPage: number;
  /** Adds keys to the end of the list. A key that isn't `usable` isn't listed. */
  add(count: number, usable?: boolean): void;
  stream(options?: ProviderOptions): AsyncGenerator<string>;
}

/** Milliseconds. A page takes at least two times the latency: one for its names, and one for its keys. */
const LATENCY = 300;
const TIMEOUT = 4_000;
const PAGES = 8;

/** @param open - Returns the store, without keys. */
export function itListsPageByPage<Calls extends object>(open: () => Promise<PagedStore<Calls>>): void {
  it("lists the keys of a page before the next page is requested, and requests nothing after a break", async () => {
    const { plan, add, stream, ...store } = await open();
    add(2 * store.keysPerPage);
    const uris: string[] = [];
    for await (const uri of stream()) {
      expect(plan.count(store.pageOperation)).toBe(1);
      if (uris.push(uri) === store.keysPerPage) break;
    }
    const calls = plan.calls.length;
    expect(calls).toBeLessThanOrEqual(1 + store.keysPerPage);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(plan.calls).toHaveLength(calls);
  });

  it("has a time limit for each page and not for the list, also if a page has no key that can sign", async () => {
    const { plan, add, stream, ...store } = await open();
    add((PAGES - 1) * store.keysPerPage, false);
    add(1);
    plan.latency = LATENCY;
    const start = performance.now();
    const uris: string[] = [];
    for await (const uri of stream({ timeout: TIMEOUT })) uris.push(uri);
    expect(performance.now() - start).toBeGreaterThan(TIMEOUT);
    expect(uris).toHaveLength(1);
    expect(plan.count(store.pageOperation)).toBe(PAGES);
  });

  it("ends when the caller aborts, also between two keys of a page", async () => {
    const { plan, add, stream, ...store } = await open();
    add(2 * store.keysPerPage);
    const caller = new AbortController();
    const uris: string[] = [];
    const list = async () => {
      for await (const uri of stream({ signal: caller.signal })) {
        uris.push(uri);
        caller.abort();
      }
    };
    await expect(list()).rejects.toMatchObject({ code: "aborted" });
    expect(uris).toHaveLength(1);
    expect(plan.count(store.pageOperation)).toBe(1);
  });

  it("throws the error of a later page after the keys of the pages before it", async () => {
    const { plan, add, stream, ...store } = await open();
    add(2 * store.keysPerPage);
    const uris: string[] = [];
    const list = async () => {
      for await (const uri of stream()) if (uris.push(uri) === 1) plan.always(store.pageOperation, "denied");
    };
    await expect(list()).rejects.toMatchObject({ code: "access-denied" });
    expect(uris).toHaveLength(store.keysPerPage);
  });
}
