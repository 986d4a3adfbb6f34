/** What `list` reads of a store's keys: how many at a time, and what an error does to the others. */
import { type KeyReading, readableKeys, SignerError } from "hardproof/provider";
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

/** Returns the parts that were read, and the errors of the keys that were left out. */
async function readAll<Key>(pages: readonly (readonly number[])[], read: KeyReading<number, Key>["read"]) {
  const parts: Key[][] = [];
  const errors: SignerError[] = [];
  const skipped = (error: SignerError) => void errors.push(error);
  for await (const part of readableKeys(pages, { concurrency: 4, read, skipped })) parts.push(part);
  return { parts, keys: parts.flat(), errors };
}

describe("readableKeys()", () => {
  it("reads some keys at a time, and returns them in the order of their names", async () => {
    const { read, mostInFlight } = recorder();
    const { keys, errors } = await readAll([names], read);
    expect(keys).toEqual(names.map((name) => [`key ${name}`]));
    expect(errors).toEqual([]);
    expect(mostInFlight()).toBe(4);
  });

  it("returns a page before it reads the next one, and nothing more is read after the loop", async () => {
    const { read, started } = recorder();
    const pages = [names.slice(0, 5), [], names.slice(5)];
    for await (const part of readableKeys(pages, { concurrency: 4, read })) {
      expect(part).toHaveLength(5);
      break;
    }
    for (let turns = 0; turns < 50; turns++) await turn();
    expect([...started].sort((one, other) => one - other)).toEqual([0, 1, 2, 3, 4]);
    expect((await readAll(pages, read)).parts.map(({ length }) => length)).toEqual([5, 0, 35]);
  });

  it("reads a page of thousands of names in parts of at most 100", async () => {
    const many = Array.from({ length: 250 }, (_, index) => index);
    const { parts } = await readAll([many], async (name) => name);
    expect(parts.map(({ length }) => length)).toEqual([100, 100, 50]);
    expect(parts.flat()).toEqual(many);
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
    const { keys, errors } = await readAll([names.slice(0, 5), names.slice(5)], read);
    expect(keys).toHaveLength(38);
    expect(errors).toEqual([denied, deleted]);
  });

  it("reports the keys of earlier pages as skipped as soon as one can be read", async () => {
    const denied = new SignerError("access-denied", "denied");
    const { read } = recorder(new Map([[0, denied]]));
    const { keys, errors } = await readAll([[0], [1]], read);
    expect({ keys, errors }).toEqual({ keys: [["key 1"]], errors: [denied] });
  });

  it("throws if the caller may not read any of the keys, on any page", async () => {
    const denied = new SignerError("access-denied", "denied");
    const { read, started } = recorder(new Map([0, 1].map((name) => [name, denied])));
    const errors: SignerError[] = [];
    const skipped = (error: SignerError) => void errors.push(error);
    const parts = readableKeys([[0], [1]], { concurrency: 4, read, skipped });
    expect([await parts.next(), await parts.next()].map(({ value }) => value)).toEqual([[], []]);
    await expect(parts.next()).rejects.toBe(denied);
    expect({ started, errors }).toEqual({ started: [0, 1], errors: [] });
  });

  it("returns nothing if all keys were deleted in the meantime, or there aren't any", async () => {
    const deleted = new SignerError("key-not-found", "deleted");
    const { read } = recorder(new Map([[0, deleted]]));
    expect(await readAll([[0]], read)).toMatchObject({ keys: [], errors: [deleted] });
    expect((await readAll([[]], read)).keys).toEqual([]);
  });

  it("reads no further key after any other error", async () => {
    const throttled = new SignerError("throttled", "too many requests");
    const { read, started } = recorder(new Map([[5, throttled]]));
    await expect(readAll([names], read)).rejects.toBe(throttled);
    const before = started.length;
    for (let turns = 0; turns < 50; turns++) await turn();
    expect(before).toBeLessThan(12);
    expect(started).toHaveLength(before);
  });
});
