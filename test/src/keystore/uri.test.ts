/** The URI parser that all providers use. */
import fc from "fast-check";
import { SignerError } from "hardproof";
import { describe, expect, it } from "vitest";
import { percentDecode, percentEncode, readAttributes, splitUri } from "../../../src/keystore/uri.js";

const NAMES = ["token", "object", "pin-value", "pin-source"];
const SECRET = "s3cr3t";

/** Parses a URI as a provider does before it reads the values. */
function read(uri: string) {
  const { path, query, fail } = splitUri(uri, "test");
  return { path: readAttributes(path, ";", NAMES, fail), query: readAttributes(query, "&", NAMES, fail) };
}

function rejectionOf(uri: string): SignerError {
  try {
    const { path, query } = read(uri);
    for (const name of NAMES) [path, query].map((attributes) => attributes.text(name));
    return expect.unreachable(uri);
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
}

const name = fc.constantFrom(...NAMES);
const bytes = fc.uint8Array({ maxLength: 20 });
const attributes = fc.uniqueArray(fc.tuple(name, bytes), { selector: ([name]) => name });
const written = (pairs: [string, Uint8Array][], separator: string) =>
  pairs.map(([name, value]) => `${name}=${percentEncode(value)}`).join(separator);

describe("RFC 3986 §2.1", () => {
  it("preserves any bytes in percent-encoding and decoding, with any set of plain characters", () => {
    const { fail } = splitUri("test:", "test");
    fc.assert(
      fc.property(bytes, fc.constantFrom("", "/", "/:@"), (value, plain) => {
        const text = percentEncode(value, plain);
        expect(text).toMatch(/^([\w.~/:@-]|%[0-9A-F]{2})*$/);
        expect(Uint8Array.from(percentDecode({ text, at: 0 }, fail))).toEqual(value);
      }),
    );
  });

  it("decodes hex digits in upper and lower case", () => {
    const { fail } = splitUri("test:", "test");
    expect(percentDecode({ text: "%c3%A9", at: 0 }, fail).toString()).toBe("é");
  });

  it("preserves any attributes in a round trip through a URI", () => {
    fc.assert(
      fc.property(attributes, attributes, (path, query) => {
        const uri = `test:${written(path, ";")}?${written(query, "&")}`;
        const found = read(uri);
        for (const [name, value] of path) expect(Uint8Array.from(found.path.bytes(name) ?? [])).toEqual(value);
        for (const [name, value] of query) expect(Uint8Array.from(found.query.bytes(name) ?? [])).toEqual(value);
      }),
    );
  });
});

describe("malformed URIs", () => {
  it.each([
    ["another scheme", "other:token=a", 1],
    ["a scheme in capitals", "TEST:token=a", 1],
    ["a fragment", `test:token=${SECRET}#a`, 18],
    ["a space", `test:token=${SECRET} a`, 18],
    ["a letter that isn't ASCII", `test:token=${SECRET}é`, 18],
    ["a line break at the end", `test:token=${SECRET}\n`, 18],
    ["a % at the end", `test:token=${SECRET}%`, 18],
    ["a % before one digit", `test:token=${SECRET}%4`, 18],
    ["a % before two letters", `test:token=${SECRET}%zz`, 18],
    ["an attribute without a name", `test:token=a;=${SECRET}`, 14],
    ["an attribute without a value", `test:token=a;${SECRET}`, 14],
    ["an empty attribute", `test:token=a;;object=${SECRET}`, 14],
    ["an unknown attribute", `test:token=a;pin=${SECRET}`, 14],
    ["an attribute in capitals", `test:Token=${SECRET}`, 6],
    ["a property of every object", `test:constructor=${SECRET}`, 6],
    ["an attribute twice", `test:token=a;token=${SECRET}`, 14],
    ["an attribute twice in the query", `test:token=a?pin-value=${SECRET}&pin-value=b`, 31],
  ])("rejects %s, and names the character", (_, uri, character) => {
    expect(rejectionOf(uri).message).toContain(`(character ${character} of the URI)`);
  });

  it.each([
    ["bytes that are not UTF-8", `test:token=${SECRET}%FF`],
    ["a NUL", `test:token=${SECRET}%00`],
  ])("rejects %s, and names the attribute", (_, uri) => {
    expect(rejectionOf(uri).message).toContain("token");
  });

  it("rejects a value that isn't a string", () => {
    const notString: unknown = undefined;
    expect(() => splitUri(notString as string, "test")).toThrow(/must be a string/);
  });
});

describe("the source of a secret", () => {
  const sourceOf = (text: string) =>
    read(`test:?pin-source=${percentEncode(text, "/:")}`).query.secretSource("pin-source");

  it.each([
    ["env:PIN", { env: "PIN" }],
    ["/run/secrets/pin", { file: "/run/secrets/pin" }],
    ["file:/run/secrets/pin", { file: "/run/secrets/pin" }],
    ["file:///run/secrets/a pin?", { file: "/run/secrets/a pin?" }],
    ["file:///run/secrets/a%20pin", { file: "/run/secrets/a pin" }],
    ["file://localhost/run/secrets/pin", { file: "/run/secrets/pin" }],
    ["/run/secrets/a%20pin", { file: "/run/secrets/a%20pin" }],
  ])("accepts the source %s", (text, source) => {
    expect(sourceOf(text)).toEqual(source);
  });

  it("returns undefined if there is no source", () => {
    expect(read("test:").query.secretSource("pin-source")).toBeUndefined();
  });

  it.each([
    "",
    "env:",
    "env:A B",
    "env:A=B",
    "pin",
    "./pin",
    "file:pin",
    "file://host/pin",
    "|cat /pin",
    "https://a/b",
    "/",
  ])("rejects the source %j", (text) => {
    expect(() => sourceOf(text)).toThrow(/pin-source must be env:NAME, or the absolute path of a file/);
  });

  it.each(["file:///a%", "file:///a%00", "file:///a%ff"])("rejects the source %j for its encoding", (text) => {
    expect(() => sourceOf(text)).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });
});

/** One mistake in an otherwise valid URI. */
const mistakes: Record<string, fc.Arbitrary<(uri: string) => string>> = {
  "a character that must be encoded": fc.tuple(fc.nat(), fc.constantFrom(...' \t\n"<>\\^`{}|#é€😀\0\x7f')).map(
    ([at, character]) =>
      (uri) =>
        insert(uri, 5 + (at % (uri.length - 4)), character),
  ),
  "a broken %": fc.constantFrom("%", "%4", "%zz", "%%41").map((broken) => (uri) => `${uri}${broken}`),
  "an unknown attribute": fc
    .stringMatching(/^[a-z][a-z-]{0,12}$/)
    .filter((name) => !NAMES.includes(name))
    .map((name) => (uri) => `${uri}&${name}=${SECRET}`),
  "an attribute twice": name.map((name) => (uri) => `${uri}&${name}=${SECRET}&${name}=1`),
  "a missing =": fc.constantFrom("&", "&&", `&${SECRET}`, `&=${SECRET}`).map((rest) => (uri) => uri + rest),
  "invalid UTF-8": fc
    .constantFrom("%FF", "%C3", "%ED%A0%80", "%F8%80%80%80%80")
    .map((bad) => (uri) => `${uri}${SECRET}${bad}`),
  "a NUL": fc.constant((uri) => `${uri}%00`),
  "another scheme": fc
    .constantFrom("", "tests:", "TEST:", "tes", "pkcs11:")
    .map((scheme) => (uri) => scheme + uri.slice(5)),
};
const insert = (text: string, at: number, inserted: string) => text.slice(0, at) + inserted + text.slice(at);

describe("300 malformed URIs", () => {
  const valid = fc
    .tuple(attributes, fc.string({ unit: fc.constantFrom(..."abc012"), minLength: 1 }))
    .map(([path, more]) => `test:${written(path, ";")}?pin-source=${more}&pin-value=${SECRET}`);
  const malformed = fc.oneof(...Object.values(mistakes)).chain((breakUri) => valid.map(breakUri));

  it("rejects each URI in one line that names the character or the attribute, and never a value", () => {
    fc.assert(
      fc.property(malformed, (uri) => {
        const { code, message } = rejectionOf(uri);
        expect(code).toBe("misconfigured");
        expect(message).toMatch(/^test: [^\n\r]{1,200}\.$/);
        expect(message).toMatch(new RegExp(`character \\d+ of the URI|${NAMES.join("|")}`));
        expect(message).not.toContain(SECRET);
      }),
      { numRuns: 300 },
    );
  });
});
