/** The finding about this machine's clock that the providers of cloud stores share. */
import { clockFinding } from "hardproof/provider";
import { describe, expect, it } from "vitest";

const secondsFromNow = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString();

describe("clockFinding", () => {
  it("accepts a clock that differs by a few seconds", () => {
    for (const seconds of [-20, 0, 20])
      expect(clockFinding(secondsFromNow(seconds), "kms.example")).toMatchObject({ check: "clock", ok: true });
  });

  it.each([
    [-3600, /^3[56]\d\d s ahead of kms\.example$/],
    [3600, /^3[56]\d\d s behind kms\.example$/],
  ])("reports a clock that differs by %i s, with its direction and a remedy", (seconds, found) => {
    expect(clockFinding(secondsFromNow(seconds), "kms.example")).toMatchObject({
      ok: false,
      found: expect.stringMatching(found),
      remedy: expect.stringContaining("NTP"),
    });
  });

  it.each([null, "", "yesterday"])("doesn't guess without a valid Date header: %j", (date) => {
    expect(clockFinding(date, "kms.example")).toMatchObject({
      ok: null,
      found: "not compared: kms.example doesn't send a Date header",
    });
  });
});
