/** The order of turns, and what is calculated from them. */
import { describe, expect, it } from "vitest";
import { startContender } from "../../bench/contender.js";
import { median, percentile } from "../../bench/median.js";
import { rateRow, row, timeRow } from "../../bench/row.js";
import { type Figures, fastest, inSequence, type Series, takeTurns, turnOf } from "../../bench/turns.js";

const figures = (rate: number, cpu = 1e6 / rate): Figures => ({ calls: 1, rate, cpu });
const series = (...rates: number[]): Series => ({ turns: rates.map((rate) => figures(rate)) });
const failed: Series = { turns: [], failure: "It ended with SIGSEGV" };
const comparison = { work: "w", beside: "b", mark: { atLeast: 2 } };

describe("turns", () => {
  it("alternate, each round starts with another contender, and the first round isn't counted", async () => {
    const order: string[] = [];
    const turn = (name: string) => async () => figures(order.push(name));
    const seen = await takeTurns({ a: turn("a"), b: turn("b"), c: turn("c") }, { rounds: 3, milliseconds: 1 });
    expect(order.join("")).toBe("abcbcacababc");
    expect(seen.a.turns.map(({ rate }) => rate)).toEqual([6, 8, 10]);
  });

  it("end with an error that isn't a contender's", async () => {
    const turn = async () => {
      throw new TypeError("a mistake of the bench");
    };
    await expect(takeTurns({ a: turn }, { rounds: 1, milliseconds: 1 })).rejects.toThrow("a mistake of the bench");
  });

  it("of a real contender have calls, a rate and CPU time", async () => {
    await using program = startContender("memory", ["sign"]);
    const { calls, rate, cpu } = await turnOf(program)(20);
    expect(calls).toBeGreaterThan(0);
    expect(rate).toBeGreaterThan(0);
    expect(cpu).toBeGreaterThan(0);
    expect(Number(await program.request("memory"))).toBeGreaterThan(10);
  });
});

describe("figures", () => {
  it("are compared within each round, and the median counts", () => {
    const seen = rateRow(comparison, series(30, 4, 200), series(10, 1, 100));
    expect(seen).toMatchObject({ outcome: "reached", value: 3, unit: "×" });
  });

  it("of times are more than 1 if ours is slower", () => {
    const seen = timeRow({ ...comparison, mark: { atMost: 4 } }, series(10, 10), series(50, 50));
    expect(seen).toMatchObject({ outcome: "missed", value: 5, cpu: 5 });
  });

  it("in sequence are the sum of the times", () => {
    expect(inSequence(series(100), series(100)).turns).toEqual([{ calls: 1, rate: 50, cpu: 20_000 }]);
    expect(inSequence(series(100), failed).failure).toBe(failed.failure);
  });

  it("of the fastest contender are those of one that never failed", () => {
    expect(fastest(series(1), failed, series(3), series(2)).turns).toEqual(series(3).turns);
    expect(fastest(failed, { turns: [], failure: "other" }).failure).toBe(failed.failure);
  });

  it.each([
    [{ atLeast: 2 }, 2, "reached"],
    [{ atLeast: 2 }, 1.99, "missed"],
    [{ atMost: 2 }, 2, "reached"],
    [{ atMost: 2 }, 2.01, "missed"],
    [{ between: [0.9, 1.1] }, 0.9, "reached"],
    [{ between: [0.9, 1.1] }, 1.11, "missed"],
    [{ between: [0.9, 1.1] }, 0.89, "missed"],
    [{ atLeast: 2 }, Number.NaN, "not measured"],
  ] as const)("beside the mark %j: %d is %s", (mark, value, outcome) => {
    expect(row({ ...comparison, mark }, "×", [value], "").outcome).toBe(outcome);
  });

  it("without a round aren't measured", () => {
    expect(row(comparison, "×", [], "").outcome).toBe("not measured");
  });

  it("have a median and percentiles", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([1, 2])).toBe(1.5);
    expect(percentile([0, 10], 90)).toBe(9);
  });
});
