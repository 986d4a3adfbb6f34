/** The channel `hardproof.waiting`: one message for the concurrent calls that a store doesn't respond to. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { callStore } from "../../../src/keystore/store-call.js";
import { reportWaiting } from "../../../src/keystore/waiting.js";

const messages: unknown[] = [];
const listener = (message: unknown) => void messages.push(message);
beforeEach(() => {
  vi.useFakeTimers();
  messages.length = 0;
  subscribe("hardproof.waiting", listener);
});
afterEach(() => {
  unsubscribe("hardproof.waiting", listener);
  vi.useRealTimers();
});

const after = (milliseconds: number) => new Promise<string>((resolve) => setTimeout(resolve, milliseconds, "done"));
const generic = { uri: "mystore:a", mayAskUser: false };

it("has a message after one second, and returns the result of the work", async () => {
  const work = reportWaiting("mystore:a", after(1_500));
  await vi.advanceTimersByTimeAsync(999);
  expect(messages).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(messages).toEqual([generic]);
  await vi.advanceTimersByTimeAsync(500);
  expect(await work).toBe("done");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(messages).toHaveLength(1);
});

it("has one message for concurrent calls of a key, and one for another key", async () => {
  const slow = [3_500, 1_200, 1_300].map((duration) => reportWaiting("mystore:a", after(duration)));
  await vi.advanceTimersByTimeAsync(500);
  slow.push(reportWaiting("mystore:a", after(2_500)), reportWaiting("mystore:b", after(1_500)));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(messages).toEqual([generic, { uri: "mystore:b", mayAskUser: false }]);
  await Promise.all(slow);
});

it("has a message for a call that hangs while the store responds to others, and another one for the next", async () => {
  const busy = async () => {
    for (let count = 0; count < 40; count++) await reportWaiting("mystore:a", after(100));
  };
  const calls = [busy(), reportWaiting("mystore:a", after(1_900))];
  await vi.advanceTimersByTimeAsync(1_000);
  expect(messages).toEqual([generic]);
  await vi.advanceTimersByTimeAsync(1_000);
  calls.push(reportWaiting("mystore:a", after(1_900)));
  expect(messages).toEqual([generic]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(messages).toEqual([generic, generic]);
  await Promise.all(calls);
});

it("has no message while the store is busy, and each call takes less than a second", async () => {
  const busy = [0, 300, 600].map(async (delay) => {
    await after(delay);
    for (let count = 0; count < 5; count++) await reportWaiting("mystore:a", after(900));
  });
  await vi.advanceTimersByTimeAsync(6_000);
  await Promise.all(busy);
  expect(messages).toEqual([]);
});

it("has a message for each call of a store that callStore makes, also one that fails", async () => {
  const call = { uri: "mystore:a", operation: "signing", timeout: 2_000 };
  const failure = callStore(call, () => new Promise<never>(() => undefined)).catch((error) => error);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(await failure).toMatchObject({ code: "timeout" });
  expect(messages).toEqual([generic]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(messages).toHaveLength(1);
});

it("says that the store may ask its user if one of the calls does", async () => {
  const outer = reportWaiting("mystore:a", after(1_200));
  const inner = reportWaiting("mystore:a", after(1_200), { mayAskUser: true });
  await vi.advanceTimersByTimeAsync(1_200);
  await Promise.all([outer, inner]);
  expect(messages).toEqual([{ uri: "mystore:a", mayAskUser: true }]);
});

it("doesn't start a timer without a listener", () => {
  unsubscribe("hardproof.waiting", listener);
  const work = Promise.resolve();
  expect(reportWaiting("mystore:a", work)).toBe(work);
  expect(vi.getTimerCount()).toBe(0);
});
