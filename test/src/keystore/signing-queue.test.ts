/** How many requests a store gets at once, by its response times, and what happens to those that wait. */
import { SignerError } from "hardproof";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SigningQueue } from "../../../src/keystore/signing-queue.js";

beforeEach(() => {
  vi.useFakeTimers({ loopLimit: 100_000, toFake: ["setTimeout", "clearTimeout", "setImmediate", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A store that makes some signatures at the same time, of a duration each (ms). Others wait in the store. */
class Store {
  inFlight = 0;
  maxInFlight = 0;
  /** Milliseconds from the start of each request to its end, in the order of their ends. */
  readonly ages: number[] = [];
  readonly #queue: (() => void)[] = [];
  readonly concurrency: number;
  duration: number;
  #working = 0;

  constructor(concurrency: number, duration: number) {
    this.concurrency = concurrency;
    this.duration = duration;
  }

  async sign(): Promise<string> {
    const begun = performance.now();
    this.inFlight += 1;
    this.maxInFlight = Math.max(this.maxInFlight, this.inFlight);
    if (this.#working === this.concurrency) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#working += 1;
    await new Promise((resolve) => setTimeout(resolve, this.duration));
    const next = this.#queue.shift();
    if (next) next();
    else this.#working -= 1;
    this.inFlight -= 1;
    this.ages.push(performance.now() - begun);
    return "signature";
  }
}

const newDeadline = (timeLeft?: number) => {
  const controller = new AbortController();
  const until = performance.now() + (timeLeft ?? Number.POSITIVE_INFINITY);
  return {
    controller,
    signal: controller.signal,
    get timeLeft() {
      return until - performance.now();
    },
  };
};
const codeOf = (error: unknown) => (error instanceof SignerError ? error.code : String(error));
const tryRun = async (queue: SigningQueue, store: Store, deadline = newDeadline()) => {
  try {
    return await queue.run(() => store.sign(), deadline);
  } catch (error) {
    return codeOf(error);
  }
};
const runAll = (queue: SigningQueue, store: Store, count: number, timeLeft?: number) =>
  Array.from({ length: count }, () => tryRun(queue, store, newDeadline(timeLeft)));
const finish = async <T>(work: Promise<T>[]): Promise<T[]> => {
  await vi.runAllTimersAsync();
  return Promise.all(work);
};
const oldest = ({ ages }: Store) => Math.max(...ages);

it("starts 16 requests in one turn of the event loop", async () => {
  const store = new Store(100, 100);
  const queue = new SigningQueue();
  const outcomes = Promise.all(Array.from({ length: 100 }, () => tryRun(queue, store)));
  expect(store.inFlight).toBe(16);
  await vi.advanceTimersByTimeAsync(0);
  expect(store.inFlight).toBe(32); // the first window
  await vi.runAllTimersAsync();
  expect(new Set(await outcomes)).toEqual(new Set(["signature"]));
});

describe("the requests in flight", () => {
  it.each([
    [4, 100],
    [1, 100],
    [1, 50],
    [2, 400],
    [1, 1_000],
    [1, 2_000],
    [40, 250],
    [8, 1_500],
  ])(
    "stay so few that a store with %d signatures at once of %d ms answers each within 5 s",
    async (concurrency, ms) => {
      const [queue, store] = [new SigningQueue(), new Store(concurrency, ms)];
      await finish(runAll(queue, store, 4)); // so that the store's speed is known
      store.ages.length = 0;
      await finish(runAll(queue, store, 600));
      expect(store.ages).toHaveLength(600);
      expect(oldest(store)).toBeLessThan(5_000);
    },
  );

  it("stay few enough for 600 requests at once to a store that nothing is known of", async () => {
    const [queue, store] = [new SigningQueue(), new Store(4, 100)];
    expect(new Set(await finish(runAll(queue, store, 600, 30_000)))).toEqual(new Set(["signature"]));
    expect(oldest(store)).toBeLessThan(1_500);
  });

  it.each([4, 40])("keep a store busy that makes %d signatures at once", async (concurrency) => {
    const [queue, store] = [new SigningQueue(), new Store(concurrency, 100)];
    const begun = performance.now();
    await finish(runAll(queue, store, 2_000));
    expect(performance.now() - begun).toBeLessThan((1.2 * 2_000 * 100) / concurrency);
  });

  it("grow to 500 while the store answers as fast as if it were idle", async () => {
    const [queue, store] = [new SigningQueue(), new Store(Number.POSITIVE_INFINITY, 50)];
    await finish(runAll(queue, store, 2_500));
    expect(store.maxInFlight).toBe(500);
  });

  it("become fewer when the store becomes slow, and more when it is fast again", async () => {
    const [queue, store] = [new SigningQueue(), new Store(100, 50)];
    await finish(runAll(queue, store, 2_000));
    store.duration = 1_000;
    await finish(runAll(queue, store, 2_000));
    store.ages.length = 0;
    await finish(runAll(queue, store, 1_000));
    expect(oldest(store)).toBeLessThan(5_000);
    store.duration = 50;
    await finish(runAll(queue, store, 2_000));
    const begun = performance.now();
    await finish(runAll(queue, store, 2_000));
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  it("are no more than the limit", async () => {
    const [queue, store] = [new SigningQueue(1), new Store(10, 10)];
    await finish(runAll(queue, store, 20));
    expect(store.maxInFlight).toBe(1);
  });

  it("are 500 for a new store that doesn't answer fewer", async () => {
    const queue = new SigningQueue();
    const pending: (() => void)[] = [];
    const sign = (): Promise<void> => {
      const signed = new Promise<void>((resolve) => pending.push(resolve));
      if (pending.length === 500) for (const resolve of pending) resolve();
      return signed;
    };
    await finish(Array.from({ length: 500 }, async () => queue.run(sign, newDeadline())));
    expect(pending).toHaveLength(500);
  });
});

describe("a waiting request", () => {
  it("is started in its turn, also after others have failed or thrown", async () => {
    const queue = new SigningQueue(1);
    const started: number[] = [];
    const run = async (n: number) =>
      queue.run(() => {
        started.push(n);
        if (n === 1) throw new Error("thrown");
        return n === 2 ? Promise.reject(new Error("failed")) : Promise.resolve(n);
      }, newDeadline());
    const results = Promise.allSettled([0, 1, 2, 3, 4].map(run));
    await vi.runAllTimersAsync();
    expect((await results).map(({ status }) => status === "fulfilled")).toEqual([true, false, false, true, true]);
    expect(started).toEqual([0, 1, 2, 3, 4]);
  });

  it("isn't started after its caller has aborted", async () => {
    const [queue, store] = [new SigningQueue(1), new Store(1, 100)];
    const deadline = newDeadline();
    const work = [tryRun(queue, store), tryRun(queue, store, deadline), tryRun(queue, store)];
    deadline.controller.abort("gone");
    await vi.runAllTimersAsync();
    expect(await Promise.all(work)).toEqual(["signature", "gone", "signature"]);
    expect(store.ages).toHaveLength(2);
  });

  it("is started when the requests before it have exceeded their limits without an end", async () => {
    const [queue, store] = [new SigningQueue(1), new Store(1, 100)];
    void queue.run(() => new Promise(() => undefined), newDeadline(1_000));
    const next = tryRun(queue, store);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await next).toBe("signature");
  });

  it("is refused at once if it can't be signed inside its limit, and the error says why", async () => {
    const [queue, store] = [new SigningQueue(), new Store(4, 100)];
    await finish(runAll(queue, store, 100));
    const waiting = runAll(queue, store, 300);
    const error = await Promise.resolve()
      .then(() => queue.run(() => store.sign(), newDeadline(2_000)))
      .catch((reason) => reason);
    expect(error).toMatchObject({ name: "SignerError", code: "throttled", retryable: true });
    expect(error.message).toMatch(
      /^2\d\d signatures are already waiting .* about \d+\.\d s, .* within 2\.0 s\..* timeout/,
    );
    await finish(waiting);
  });

  it("is refused as soon as the store's speed is known, if nothing was known before", async () => {
    const [queue, store] = [new SigningQueue(), new Store(4, 100)];
    const begun = performance.now();
    const refusedAt: number[] = [];
    const work = runAll(queue, store, 600, 2_000).map((outcome) =>
      outcome.then((code) => {
        if (code === "throttled") refusedAt.push(performance.now() - begun);
        return code;
      }),
    );
    const outcomes = await finish(work);
    expect(outcomes.slice(0, 60)).toEqual(Array(60).fill("signature"));
    expect(refusedAt.filter((time) => time < 1_000).length).toBeGreaterThan(450);
  });

  it("isn't refused before the store is at its limit", async () => {
    const [queue, store] = [new SigningQueue(), new Store(Number.POSITIVE_INFINITY, 100)];
    const outcomes = await finish(runAll(queue, store, 3_000, 5_000));
    expect(new Set(outcomes)).toEqual(new Set(["signature"]));
  });
});

it("doesn't limit a store that answers synchronously", () => {
  const queue = new SigningQueue(1);
  for (let n = 0; n < 3; n++) expect(queue.run(() => n, newDeadline())).toBe(n);
});
