/** The channel `hardproof.waiting`: one message for each silence of a store, and none while it responds. */
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

it("has one message for concurrent calls of a key, and none while it responds to some of them", async () => {
  const slow = [reportWaiting("mystore:a", after(3_500)), reportWaiting("mystore:b", after(1_500))];
  const quick = [0, 600, 1_200].map((delay) => reportWaiting("mystore:a", after(delay + 600)));
  await vi.advanceTimersByTimeAsync(2_700);
  expect(messages).toEqual([{ uri: "mystore:b", mayAskUser: false }]);
  await vi.advanceTimersByTimeAsync(800);
  expect(messages).toEqual([{ uri: "mystore:b", mayAskUser: false }, generic]);
  await Promise.all([...slow, ...quick]);
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

it("doesn't start a timer if nobody listens", () => {
  unsubscribe("hardproof.waiting", listener);
  const work = Promise.resolve();
  expect(reportWaiting("mystore:a", work)).toBe(work);
  expect(vi.getTimerCount()).toBe(0);
});
