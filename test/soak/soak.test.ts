/** A short version of `npm run soak`. */
import { expect, it } from "vitest";
import { soak } from "./soak.js";

it("makes 20,000 proofs without leaking sessions, handles or memory", { timeout: 120_000 }, async () => {
  const report = await soak({ proofs: 20_000, minutes: 1.5 });
  expect(report.proofs).toBeGreaterThanOrEqual(5_000);
  expect(report.sessions.max).toBeLessThanOrEqual(4);
  expect(report.sessions.remaining).toBe(0);
  expect(report.handles).toBeLessThanOrEqual(0);
  expect(report.growth.heap).toBeLessThan(4);
  expect(report.growth.native).toBeLessThan(64);
});
