/** The parser of challenges, against the RFCs' own examples and against whatever a server may send. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseChallenges } from "../../../src/resource/www-authenticate.js";

const read = (header: string) =>
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
  ])("reads %s", (header, challenges) => {
    expect(read(header)).toEqual(challenges);
  });
});

describe("what breaks the grammar", () => {
  it.each([
    ['DPoP error="use_dpop_nonce", error_description="no "jti" here"', [["dpop", { error: "use_dpop_nonce" }]]],
    ['DPoP error="use_dpop_nonce', []],
    ['Bearer realm=my realm, DPoP error="use_dpop_nonce"', []],
    ['DPoP error="a", error="b"', [["dpop", { error: "a" }]]],
    ['error="use_dpop_nonce", DPoP', []],
    ["Basic, abc==, DPoP", [["basic", {}]]],
    ['DPoP error="x" algs="ES256"', []],
  ])("ends the reading of %s", (header, challenges) => {
    expect(read(header)).toEqual(challenges);
  });
});

const token = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}$/);
const text = fc.string({
  unit: fc.mapToConstant({ num: 94, build: (n) => String.fromCharCode(0x20 + n) }),
  maxLength: 12,
});
const spaces = fc.constantFrom("", " ", "\t", "  ");
const parameter = fc
  .record({ name: token, value: fc.oneof(token, text), quoted: fc.boolean(), before: spaces, after: spaces })
  .map(({ name, value, quoted, before, after }) => {
    const bare = !quoted && /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value);
    const written = bare ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
    return { name: name.toLowerCase(), value, written: `${name}${before}=${after}${written}` };
  });
const challenge = fc
  .record({
    scheme: token,
    parameters: fc.uniqueArray(parameter, { selector: ({ name }) => name, maxLength: 4 }),
    token68: fc.option(fc.stringMatching(/^[-._~+/0-9A-Za-z]{1,8}={0,2}$/)),
  })
  .map(({ scheme, parameters, token68 }) => ({
    read: [scheme.toLowerCase(), token68 ? {} : Object.fromEntries(parameters.map(({ name, value }) => [name, value]))],
    written: [scheme, token68 ?? parameters.map(({ written }) => written).join(" ,")].join(" ").trimEnd(),
  }));

describe("properties", () => {
  it("reads back every list of challenges, however it is spaced", () => {
    fc.assert(
      fc.property(
        fc.array(challenge, { maxLength: 4 }),
        fc.constantFrom(",", ", ", " ,\t", ",,"),
        (challenges, comma) => {
          expect(read(challenges.map(({ written }) => written).join(comma))).toEqual(
            challenges.map(({ read }) => read),
          );
        },
      ),
    );
  });

  it("keeps the challenges before one that is broken", () => {
    fc.assert(
      fc.property(fc.array(challenge, { maxLength: 3 }), (challenges) => {
        const header = [...challenges.map(({ written }) => written), 'DPoP error="x'].join(", ");
        expect(read(header)).toEqual(challenges.map(({ read }) => read));
      }),
    );
  });

  it("never throws, and makes no parameter of what is none", () => {
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

  it("reads what is long in one pass", () => {
    for (const long of ["a ", 'a="', "a,", ' "\\', "a=", "\t"])
      expect(() => parseChallenges(`DPoP ${long.repeat(50_000)}`)).not.toThrow();
  });

  // At this length one pass takes some milliseconds, and one from each blank longer than a test may last.
  it.each([" ", "\t", ",", " ,", "a", "a ", "a=", "=", '\\"', "\\\\"])(
    "reads %j over and over, and what breaks the grammar, in one pass",
    (piece) => {
      const long = piece.repeat(200_000);
      for (const before of ["", "a", "a b", "a b=", 'a b="'])
        expect(read(`Basic, ${before}${long}\u0000`)[0]).toEqual(["basic", {}]);
    },
  );
});
