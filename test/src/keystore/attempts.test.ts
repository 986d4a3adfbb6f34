/** Requests that a store doesn't answer are repeated within the time limit of the whole call. */
import { callStore, withAttempts } from "hardproof/provider";
import { describe, expect, it, vi } from "vitest";

const call = { uri: "test:key", operation: "signing", timeout: 600 };
const hang = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
const run = <T>(work: (signal: AbortSignal) => Promise<T>, more: { signal?: AbortSignal; timeout?: number } = {}) =>
  callStore({ ...call, ...more }, ({ signal }) => withAttempts(signal, work));

describe("withAttempts", () => {
  it("sends one request to a store that answers", async () => {
    const work = vi.fn(async () => "signature");
    expect(await run(work)).toBe("signature");
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("aborts a hanging request, and repeats it", async () => {
    const signals: AbortSignal[] = [];
    const work = vi.fn((signal: AbortSignal) => {
      signals.push(signal);
      return signals.length === 1 ? hang(signal) : Promise.resolve("signature");
    });
    expect(await run(work)).toBe("signature");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  });

  it("repeats a request of a client that ignores its signal", async () => {
    const work = vi.fn(async () => "signature").mockReturnValueOnce(new Promise(() => undefined));
    expect(await run(work)).toBe("signature");
    expect(work).toHaveBeenCalledTimes(2);
  });

  it("fails with `timeout` after three hanging requests", async () => {
    const work = vi.fn(hang);
    await expect(run(work)).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("No response within 600 ms while signing."),
    });
    expect(work).toHaveBeenCalledTimes(3);
  });

  it("leaves half of the time to the last request, so that a slow store still answers", async () => {
    const start = performance.now();
    const begun: number[] = [];
    await expect(
      run((signal) => {
        begun.push(performance.now() - start);
        return hang(signal);
      }),
    ).rejects.toMatchObject({ code: "timeout" });
    const [, second = 0, third = 0] = begun;
    // Node's timers fire up to a millisecond early.
    expect(second).toBeGreaterThanOrEqual(99);
    expect(third - second).toBeGreaterThanOrEqual(199);
  });

  it("doesn't repeat a request that failed", async () => {
    const work = vi.fn(async () => Promise.reject(new Error("denied")));
    await expect(run(work)).rejects.toThrow("denied");
    expect(work).toHaveBeenCalledTimes(1);
  });

  it("ends when the caller aborts, in any attempt", async () => {
    const controller = new AbortController();
    const work = vi.fn((signal: AbortSignal) => {
      if (work.mock.calls.length === 2) controller.abort();
      return hang(signal);
    });
    await expect(run(work, { signal: controller.signal })).rejects.toMatchObject({ code: "aborted" });
    expect(work).toHaveBeenCalledTimes(2);
  });

  it("sends one request if it doesn't know how much time is left", async () => {
    const work = vi.fn(hang);
    const reason = new Error("stop");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(withAttempts(controller.signal, work)).rejects.toBe(reason);
    expect(work).toHaveBeenCalledTimes(1);
  });
});
