/** Subjects of certificates: RFC 4514 strings and objects. */
import "reflect-metadata";
import { Name } from "@peculiar/x509";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSubject } from "../../../src/x509/distinguished-name.js";

/** Characters that the syntax uses are frequent. */
const value = fc
  .string({
    unit: fc.oneof(fc.constantFrom(...' \\,+"#;<>=a0é€😀\ufeff'), fc.string({ minLength: 1, maxLength: 1 })),
    minLength: 1,
  })
  .filter((text) => /^[^\p{Cc}\p{Cs}]+$/u.test(text));
const type = fc.constantFrom("CN", "O", "OU", "L", "ST", "UID", "STREET", "2.5.4.65");
const attributes = fc.array(fc.tuple(type, value), { minLength: 1, maxLength: 4 });

/** An independent implementation of RFC 4514 §2.4. */
const escapeValue = (text: string) => text.replace(/[\\",+;<>]|^[ #]| $/g, "\\$&");
const escapeEveryByte = (text: string) => Buffer.from(text).toString("hex").replace(/../g, "\\$&");
const oids: Record<string, string> = {
  CN: "2.5.4.3",
  O: "2.5.4.10",
  OU: "2.5.4.11",
  L: "2.5.4.7",
  ST: "2.5.4.8",
  UID: "0.9.2342.19200300.100.1.1",
  STREET: "2.5.4.9",
};
const expected = (pairs: [string, string][]) =>
  pairs.map(([name, text]) => ({ [oids[name] ?? name]: [{ utf8String: text }] })).reverse();

describe("parseSubject", () => {
  it.each([escapeValue, escapeEveryByte])("returns the values that were escaped (%o)", (escaped) => {
    fc.assert(
      fc.property(attributes, (pairs) => {
        const text = pairs.map(([name, raw]) => `${name}=${escaped(raw)}`).join(",");
        expect(parseSubject(text)).toEqual(expected(pairs));
      }),
    );
  });

  it("returns the values of an object unchanged", () => {
    fc.assert(
      fc.property(fc.dictionary(type, value, { minKeys: 1 }), (object) => {
        const pairs = Object.entries(object);
        expect(parseSubject(object)).toEqual(expected(pairs));
      }),
    );
  });

  it("produces a name that @peculiar/x509 encodes with these values", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom("CN", "O", "OU", "L", "ST"), value, { minKeys: 1 }), (object) => {
        const decoded = new Name(new Name(parseSubject(object)).toArrayBuffer());
        expect(decoded.toJSON()).toEqual(
          Object.entries(object)
            .map(([name, text]) => ({ [name]: [text] }))
            .reverse(),
        );
      }),
    );
  });

  it("reads any text or throws an error that doesn't repeat it", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          value,
          value.map((text) => `CN=${text}`),
        ),
        (text) => {
          try {
            expect(parseSubject(text).length).toBeGreaterThan(0);
          } catch (error) {
            expect(error).toMatchObject({ name: "SignerError", code: "misconfigured" });
            if (text.length > 12) expect(String(error)).not.toContain(text);
          }
        },
      ),
    );
  });

  it("accepts spaces around separators, any case, and each string type", () => {
    expect(parseSubject(" cn = a b  , c=DE,emailAddress=a@b.example,DC=example,serialNumber=7")).toEqual([
      { "2.5.4.5": [{ printableString: "7" }] },
      { "0.9.2342.19200300.100.1.25": [{ ia5String: "example" }] },
      { "1.2.840.113549.1.9.1": [{ ia5String: "a@b.example" }] },
      { "2.5.4.6": [{ printableString: "DE" }] },
      { "2.5.4.3": [{ utf8String: "a b" }] },
    ]);
  });

  it.each([
    ["", "Expected an attribute, such as CN=agent-7 (at character 1)."],
    ["agent-7", "Expected an attribute, such as CN=agent-7 (at character 1)."],
    ["CN=a,", "Expected an attribute after the comma (at character 5)."],
    ["CN=a,,O=b", "Expected an attribute, such as CN=agent-7 (at character 6)."],
    ["CN=a+O=b", "can't be combined with + (at"],
    ["CN=a;O=b", "Expected a comma."],
    ['CN="a, b"', "Expected a comma."],
    ["CN=a\\", "Expected a comma."],
    ["CN=#0401", "Values in hexadecimal aren't supported."],
    ["CN=\\ff", "The escaped bytes aren't UTF-8 (at character 4)."],
    ["CN=", "The value of CN is empty"],
    ["CN=a\\00", "The value of CN is empty, or has a character that it can't contain."],
    ["C=Ä", "The value of C is empty, or has a character"],
    ["DC=ä", "The value of DC is empty, or has a character"],
    ["C=Germany", "The value of C must be the two letters of a country"],
    ["2.5.4.6=Germany", "The value of 2.5.4.6 must be the two letters of a country"],
    ["1.40.1=a", "The type of an attribute isn't known."],
    ["2.25.4294967296=a", "The type of an attribute isn't known."],
    ["CM=a", "The type of an attribute isn't known."],
  ])("rejects %j", (text, problem) => {
    expect(() => parseSubject(text)).toThrow(problem.split(" (at")[0]);
    expect(() => parseSubject(text)).toThrow(/^subject: /);
  });

  it("rejects an object's name that only begins like an OID", () => {
    for (const name of ["1abc", "3.1", "1", "2.5.", "2.05"])
      expect(() => parseSubject({ [name]: "a" })).toThrow("The type of an attribute isn't known.");
  });

  it("uses the string type of an attribute that is given by its OID", () => {
    expect(parseSubject("2.5.4.6=DE,2.5.4.5=7,0.9.2342.19200300.100.1.25=example")).toEqual(
      parseSubject("C=DE,SERIALNUMBER=7,DC=example"),
    );
  });

  it("rejects an object without attributes", () => {
    expect(() => parseSubject({})).toThrow("Expected at least one attribute");
  });

  it("reads 100,000 spaces and backslashes in linear time", () => {
    for (const filler of [" ", "\\ ", "\\\\", "a,"])
      expect(() => parseSubject(`CN=${filler.repeat(50_000)}"`)).toThrow();
  });
});
