/** How a scenario is reported: what was seen, and by whose fault it failed. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { check, reporter, type Seen, TheirFault } from "./scenario.js";

const lines: string[] = [];
beforeEach(() => {
  lines.length = 0;
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
});
afterEach(() => vi.restoreAllMocks());

async function reported(work: () => Promise<string>): Promise<Seen | undefined> {
  const seen: Seen[] = [];
  await reporter(seen)("nonces", "two in a row", work);
  expect(seen).toHaveLength(1);
  return seen[0];
}

describe("a scenario", () => {
  it("passes with what was seen", async () => {
    const seen = await reported(async () => "statuses 401, 200");
    expect(seen).toEqual({ row: "nonces", title: "two in a row", outcome: "passed", what: "statuses 401, 200" });
    expect(lines).toEqual(["✓ nonces: two in a row: statuses 401, 200"]);
  });

  it("fails by our fault if a check fails, in one line", async () => {
    const seen = await reported(async () => {
      check(1 > 2, "status 400\n  because of the nonce\n");
      return "not reached";
    });
    expect(seen).toMatchObject({ outcome: "failed", what: "status 400 because of the nonce" });
    expect(lines).toEqual(["✗ nonces: two in a row (ours): status 400 because of the nonce"]);
  });

  it("fails by their fault only with TheirFault", async () => {
    const seen = await reported(() => Promise.reject(new TheirFault("it ignores dpop_jkt (RFC 9449 §10)")));
    expect(seen).toMatchObject({ outcome: "their fault", what: "it ignores dpop_jkt (RFC 9449 §10)" });
    expect(lines).toEqual(["✗ nonces: two in a row (theirs): it ignores dpop_jkt (RFC 9449 §10)"]);
  });

  it("fails by our fault with whatever else is thrown, also at once", async () => {
    for (const work of [
      () => Promise.reject("text"),
      () => {
        throw new TypeError("text");
      },
    ])
      expect(await reported(work)).toMatchObject({ outcome: "failed", what: "text" });
  });
});
