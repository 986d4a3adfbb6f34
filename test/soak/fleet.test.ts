/** A short version of `npm run soak:fleet`. */
import { describe, expect, inject, it } from "vitest";
import { type FleetSize, fleets, problemsOf } from "./fleets.js";

const missing = inject("unavailable");
const reasons = { file: undefined, Redis: missing.Redis, PostgreSQL: missing.PostgreSQL };
const size: FleetSize = { processes: 4, seconds: 12, mortals: 1 };

describe.concurrent("processes that share a rotated refresh token", { timeout: 180_000 }, () => {
  for (const [name, run] of Object.entries(fleets)) {
    const reason = reasons[name as keyof typeof reasons];
    const title = `refresh it once each over ${name}, though one is killed${name === "file" ? "" : ", and the server too"}`;
    it.skipIf(reason)(reason ? `${title} (skipped. ${reason})` : title, async () => {
      const report = await run(size);
      expect(problemsOf(report), JSON.stringify(report)).toEqual([]);
      expect(report.kills).toBeGreaterThan(0);
    });
  }
});
