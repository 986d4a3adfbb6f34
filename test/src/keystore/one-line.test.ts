/** Texts of stores and servers in errors. */
import fc from "fast-check";
import { oneLine } from "hardproof/provider";
import { describe, expect, it } from "vitest";

describe("oneLine()", () => {
  it.each([
    ["a\r\nb\tc", "a b c"],
    ["  text\n", "text"],
    ["\u001b[31mred\u0007", "[31mred"],
    ["a\u202eb\u2066c\u200bd\ufeffe", "a b c d e"],
    ["a\u2028b\u2029c\u0085d\u009be", "a b c d e"],
    ["schlüssel 鍵 🔑", "schlüssel 鍵 🔑"],
  ])("replaces characters that control a terminal or aren't visible: %j", (text, expected) => {
    expect(oneLine(text, 100)).toBe(expected);
  });

  it("cuts a long text, and shows that it did", () => {
    expect(oneLine("123456", 5)).toBe("12345…");
    expect(oneLine("12345\n", 5)).toBe("12345");
  });

  it("returns one short visible line for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 50 }), (text, maxLength) => {
        const line = oneLine(text, maxLength);
        expect(line.length).toBeLessThanOrEqual(maxLength + 1);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
