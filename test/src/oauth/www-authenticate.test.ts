/** The parser of `WWW-Authenticate` with the RFCs' examples and with random input. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChallenges } from "../../../src/oauth/www-authenticate.js";

const parse = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe("RFC 9110 §11.6.1", () => {
  it.each([
    [
      'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
      [
        ["basic", { realm: "simple" }],
        ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
      ],
    ],
    ['DPoP error="use_dpop_nonce"', [["dpop", { error: "use_dpop_nonce" }]]],
    [
      'Bearer, DPoP error="use_dpop_nonce"',
      [
        ["bearer", {}],
        ["dpop", { error: "use_dpop_nonce" }],
      ],
    ],
    [
      'DPoP error=use_dpop_nonce, algs="ES256 PS256", Bearer realm="a, DPoP error=x"',
      [
        ["dpop", { error: "use_dpop_nonce", algs: "ES256 PS256" }],
        ["bearer", { realm: "a, DPoP error=x" }],
      ],
    ],
    [
      "Negotiate YWJj==, DPoP ERROR = x",
      [
        ["negotiate", {}],
        ["dpop", { error: "x" }],
      ],
    ],
    [
      ', ,Negotiate,\t,dpop  error="x" ,, algs=""',
      [
        ["negotiate", {}],
        ["dpop", { error: "x", algs: "" }],
      ],
    ],
    ["Negotiate abc=", [["negotiate", {}]]],
    ["", []],
  ])("parses %s", (header, challenges) => {
    expect(parse(header)).toEqual(challenges);
  });
});

describe("syntax errors", () => {
  it.each([
    ['DPoP error="use_dpop_nonce", error_description="no "jti" here"', [["dpop", { error: "use_dpop_nonce" }]]],
    ['DPoP error="use_dpop_nonce', []],
    ['Bearer realm=my realm, DPoP error="use_dpop_nonce"', []],
    ['DPoP error="a", error="b"', [["dpop", { error: "a" }]]],
    ['error="use_dpop_nonce", DPoP', []],
    ["Basic, abc==, DPoP", [["basic", {}]]],
    ['DPoP error="x" algs="ES256"', []],
  ])("stops parsing %s at the syntax error", (header, challenges) => {
    expect(parse(header)).toEqual(challenges);
  });
});

const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/);
const anyText = fc.string({
  unit: fc.mapToConstant({ num: 94, build: (n) => String.fromCharCode(0x20 + n) }),
  maxLength: 12,
});
const spaces = fc.constantFrom("", " ", "\t", "  ");
const parameter = fc
  .record({ name: token, value: fc.oneof(token, anyText), quoted: fc.boolean(), before: spaces, after: spaces })
  .map(({ name, value, quoted, before, after }) => {
    const bare = !quoted && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value);
    const text = bare ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
    return { name: name.toLowerCase(), value, text: `${name}${before}=${after}${text}` };
  });
const challenge = fc
  .record({
    scheme: token,
    parameters: fc.uniqueArray(parameter, { selector: ({ name }) => name, maxLength: 4 }),
    token68: fc.option(fc.stringMatching(/^[-._~+/0-9A-Za-z]{1,8}={0,2}$/)),
  })
  .map(({ scheme, parameters, token68 }) => ({
    expected: [
      scheme.toLowerCase(),
      token68 ? {} : Object.fromEntries(parameters.map(({ name, value }) => [name, value])),
    ],
    text: [scheme, token68 ?? parameters.map(({ text }) => text).join(" ,")].join(" ").trimEnd(),
  }));

describe("properties", () => {
  it("parses every list of challenges with any whitespace", () => {
    fc.assert(
      fc.property(
        fc.array(challenge, { maxLength: 4 }),
        fc.constantFrom(",", ", ", " ,\t", ",,"),
        (challenges, comma) => {
          expect(parse(challenges.map(({ text }) => text).join(comma))).toEqual(
            challenges.map(({ expected }) => expected),
          );
        },
      ),
    );
  });

  it("returns the challenges before a malformed one", () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), (challenges) => {
        const header = [...challenges.map(({ text }) => text), 'DPoP error="x'].join(", ");
        expect(parse(header)).toEqual(challenges.map(({ expected }) => expected));
      }),
    );
  });

  it("never throws, and returns only schemes and names from the header", () => {
    const piece = fc.constantFrom('"', "\\", ",", " ", "=", "DPoP", "error", "x", "\t", "é", "\u0000");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join("")),
        ),
        (header) => {
          for (const { scheme, parameters } of parseChallenges(header)) {
            expect(header.toLowerCase()).toContain(scheme);
            for (const name of parameters.keys()) expect(header.toLowerCase()).toContain(name);
          }
        },
      ),
    );
  });

  it("parses long headers without throwing", () => {
    for (const long of ["a ", 'a="', "a,", ' "\\', "a=", "\t"])
      expect(() => parseChallenges(`DPoP ${long.repeat(50_000)}`)).not.toThrow();
  });

  // At this length, linear time is a few milliseconds, and quadratic time exceeds the test's time limit.
  it.each([" ", "\t", ",", " ,", "a", "a ", "a=", "=", '\\"', "\\\\"])(
    "parses a long repetition of %j and a syntax error in linear time",
    (piece) => {
      const long = piece.repeat(200_000);
      for (const before of ["", "a", "a b", "a b=", 'a b="'])
        expect(parse(`Basic, ${before}${long}\u0000`)[0]).toEqual(["basic", {}]);
    },
  );
});
