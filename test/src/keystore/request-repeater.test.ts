/** Requests that a store doesn't answer are repeated within the time limit of the whole call. */
import { callStore, RequestRepeater } from "hardproof/provider";
import { describe, expect, it, vi } from "vitest";

/** A sixth of it is longer than any request is given. */
const TIMEOUT = 6_600;
const hang = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
const run = <T>(
  send: (signal: AbortSignal) => Promise<T>,
  { signal, timeout = TIMEOUT, repeater = new RequestRepeater(), bySignal = false }: Partial<Options> = {},
) =>
  callStore({ uri: "test:key", operation: "signing", timeout, signal }, (deadline) =>
    repeater.repeat(bySignal ? deadline.signal : deadline, send),
  );

interface Options {
  signal: AbortSignal;
  timeout: number;
  repeater: RequestRepeater;
  /** Whether the repeater gets the signal of the call instead of its options. */
  bySignal: boolean;
}

describe("a store that answers", () => {
  it("gets one request", async () => {
    const send = vi.fn(async () => "signature");
    expect(await run(send)).toBe("signature");
    expect(send).toHaveBeenCalledTimes(1);
  });

  it("costs one AbortController, that of the request", async () => {
    let created = 0;
    class CountedController extends AbortController {
      constructor() {
        super();
        created += 1;
      }
    }
    vi.stubGlobal("AbortController", CountedController);
    await run(async () => "signature");
    vi.unstubAllGlobals();
    expect(created).toBe(1);
  });

  it("isn't asked again after an error", async () => {
    const send = vi.fn(async () => Promise.reject(new Error("denied")));
    await expect(run(send)).rejects.toThrow("denied");
    expect(send).toHaveBeenCalledTimes(1);
  });
});

describe.concurrent("a request that hangs", () => {
  it.each([false, true])(
    "is aborted and sent again (called with the signal instead of the options: %s)",
    async (bySignal) => {
      const signals: AbortSignal[] = [];
      const send = (signal: AbortSignal) => {
        signals.push(signal);
        return signals.length === 1 ? hang(signal) : Promise.resolve("signature");
      };
      expect(await run(send, { bySignal })).toBe("signature");
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    },
  );

  it("is sent again if the client ignores its signal", async () => {
    const send = vi.fn(async () => "signature").mockReturnValueOnce(new Promise(() => undefined));
    expect(await run(send)).toBe("signature");
    expect(send).toHaveBeenCalledTimes(2);
  });

  it("is sent three times at most, and then fails with `timeout`", async () => {
    const begun: number[] = [];
    const start = performance.now();
    const send = (signal: AbortSignal) => {
      begun.push(performance.now() - start);
      return hang(signal);
    };
    await expect(run(send)).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining(`No response within ${TIMEOUT} ms while signing.`),
    });
    expect(begun).toHaveLength(3);
    const [, second = 0, third = 0] = begun;
    // Node's timers fire up to a millisecond early.
    expect(second).toBeGreaterThanOrEqual(TIMEOUT / 6 - 2);
    expect(third - second).toBeGreaterThanOrEqual(TIMEOUT / 3 - 2);
  });

  it("ends when the caller aborts, in any attempt", async () => {
    const controller = new AbortController();
    const send = vi.fn((signal: AbortSignal) => {
      if (send.mock.calls.length === 2) controller.abort();
      return hang(signal);
    });
    await expect(run(send, { signal: controller.signal })).rejects.toMatchObject({ code: "aborted" });
    expect(send).toHaveBeenCalledTimes(2);
  });

  it("isn't sent again within the first second", async () => {
    const send = vi.fn(hang);
    await expect(run(send, { timeout: 900 })).rejects.toMatchObject({ code: "timeout" });
    expect(send).toHaveBeenCalledTimes(1);
  });

  it("is sent again beside others that are answered", async () => {
    const repeater = new RequestRepeater();
    const first = vi.fn(async () => "signature").mockReturnValueOnce(new Promise(() => undefined));
    const slow = run(first, { repeater });
    for (let n = 0; n < 20; n += 1) await run(async () => "other", { repeater });
    expect(await slow).toBe("signature");
    expect(first).toHaveBeenCalledTimes(2);
  });

  it("is sent once if it isn't known how much time is left", async () => {
    const send = vi.fn(hang);
    const reason = new Error("stop");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(new RequestRepeater().repeat(controller.signal, send)).rejects.toBe(reason);
    expect(send).toHaveBeenCalledTimes(1);
  });
});

it("doesn't send a request again that waits in the queue of a slow store", async () => {
  const repeater = new RequestRepeater();
  let last: Promise<unknown> = Promise.resolve();
  let sent = 0;
  /** Answers one request after the other, in 120 ms each. */
  const queue = () => {
    sent += 1;
    last = last.then(() => new Promise((resolve) => setTimeout(resolve, 120)));
    return last;
  };
  await Promise.all(Array.from({ length: 25 }, () => run(queue, { repeater })));
  expect(sent).toBe(25);
});
