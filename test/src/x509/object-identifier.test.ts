/** Object identifiers: what is accepted is encoded as it is written. */
import "reflect-metadata";
import { ExtendedKeyUsageExtension, Name } from "@peculiar/x509";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isObjectIdentifier } from "../../../src/x509/object-identifier.js";

const number = fc.oneof(fc.constantFrom(0, 39, 40, 47, 48, 79, 80, 127, 128, 2 ** 31, 2 ** 32 - 1), fc.nat());
const dotted = fc
  .tuple(fc.constantFrom(0, 1, 2), fc.oneof(fc.nat(45), number), fc.array(number, { maxLength: 6 }))
  .map(([first, second, others]) => [first, second, ...others]);

/** Encodes by X.690 §8.19. */
function contentOf([first = 0, second = 0, ...others]: number[]): string {
  const bytes = [first * 40 + second, ...others].flatMap((value) => {
    const digits = [value % 128];
    for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128))
      digits.unshift((rest % 128) | 128);
    return digits;
  });
  return Buffer.from(bytes).toString("hex");
}

describe("isObjectIdentifier", () => {
  it("accepts exactly the numbers that DER can represent, as @peculiar/x509 encodes them", () => {
    fc.assert(
      fc.property(dotted, (numbers) => {
        const [first = 0, second = 0] = numbers;
        const oid = numbers.join(".");
        expect(isObjectIdentifier(oid)).toBe(first === 2 || second < 40);
        if (!isObjectIdentifier(oid)) return;
        const usage = new ExtendedKeyUsageExtension([oid]).rawData;
        const name = new Name([{ [oid]: [{ utf8String: "a" }] }]).toArrayBuffer();
        for (const der of [usage, name]) expect(Buffer.from(der).toString("hex")).toContain(contentOf(numbers));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    "",
    "1",
    "3.1",
    "01.2",
    "1.02",
    "1.2.",
    ".1.2",
    "1..2",
    "1.2.3a",
    "1.2.4294967296",
    "1.2\n",
    "1.-2",
    "1.40",
  ])("rejects %j", (text) => {
    expect(isObjectIdentifier(text)).toBe(false);
  });
});
