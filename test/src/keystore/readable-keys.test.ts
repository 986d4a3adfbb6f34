/** What `list` reads of a store's keys: how many at a time, and what an error does to the others. */
import { readableKeys, SignerError } from "hardproof/provider";
import { describe, expect, it } from "vitest";

const names = Array.from({ length: 40 }, (_, index) => index);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Reads the names, and records what was read. */
const recorder = (errors: ReadonlyMap<number, Error> = new Map()) => {
  const started: number[] = [];
  let inFlight = 0;
  let mostInFlight = 0;
  const read = async (name: number) => {
    started.push(name);
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    // Later names respond earlier.
    for (let wait = name % 3; wait < 3; wait++) await turn();
    inFlight -= 1;
    const error = errors.get(name);
    if (error) throw error;
    return [`key ${name}`];
  };
  return { started, read, mostInFlight: () => mostInFlight };
};

describe("readableKeys()", () => {
  it("reads some keys at a time, and returns them in the order of their names", async () => {
    const { read, mostInFlight } = recorder();
    const { keys, skipped } = await readableKeys(names, 4, read);
    expect(keys).toEqual(names.map((name) => [`key ${name}`]));
    expect(skipped).toEqual([]);
    expect(mostInFlight()).toBe(4);
  });

  it("skips the keys that the caller may not read, and those that don't exist any more", async () => {
    const denied = new SignerError("access-denied", "denied");
    const deleted = new SignerError("key-not-found", "deleted");
    const { read } = recorder(
      new Map([
        [3, denied],
        [7, deleted],
      ]),
    );
    const { keys, skipped } = await readableKeys(names, 4, read);
    expect(keys).toHaveLength(38);
    expect(skipped).toEqual([denied, deleted]);
  });

  it("throws if the caller may not read any of the keys", async () => {
    const denied = new SignerError("access-denied", "denied");
    const { read } = recorder(new Map([0, 1].map((name) => [name, denied])));
    await expect(readableKeys([0, 1], 4, read)).rejects.toBe(denied);
  });

  it("returns nothing if all keys were deleted in the meantime, or there aren't any", async () => {
    const { read } = recorder(new Map([[0, new SignerError("key-not-found", "deleted")]]));
    expect((await readableKeys([0], 4, read)).keys).toEqual([]);
    expect((await readableKeys([], 4, read)).keys).toEqual([]);
  });

  it("reads no further key after any other error", async () => {
    const throttled = new SignerError("throttled", "too many requests");
    const { read, started } = recorder(new Map([[5, throttled]]));
    await expect(readableKeys(names, 4, read)).rejects.toBe(throttled);
    const before = started.length;
    for (let turns = 0; turns < 50; turns++) await turn();
    expect(before).toBeLessThan(12);
    expect(started).toHaveLength(before);
  });
});
