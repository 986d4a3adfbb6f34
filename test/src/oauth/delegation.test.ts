/** The delegation chain of a token (RFC 8693 §4.1). */
import fc from "fast-check";
import { delegationChain, Token } from "hardproof";
import { expect, it } from "vitest";

const act = { sub: "https://service16.example.com", act: { sub: "https://service77.example.com", iss: "x" } };
const tokenWith = (claims: object) => {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return new Token({}, `${encode({ alg: "ES256" })}.${encode(claims)}.c2ln`);
};

it("lists the current actor first, then those before it", () => {
  const chain = [{ sub: "https://service16.example.com" }, { sub: "https://service77.example.com", iss: "x" }];
  expect(delegationChain({ sub: "user@example.com", act })).toEqual(chain);
  expect(tokenWith({ sub: "user@example.com", act }).actors).toEqual(chain);
});

it("is empty if nobody acts for the subject, or the token is opaque", () => {
  expect(delegationChain({ sub: "user@example.com" })).toEqual([]);
  expect(delegationChain({ act: "service16" })).toEqual([]);
  expect(delegationChain({ act: [{ sub: "a" }] })).toEqual([]);
  expect(new Token({}, "opaque").actors).toEqual([]);
});

it("reads any claims, and a chain of any length", () => {
  fc.assert(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (claims) => void delegationChain(claims)));
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 50 }), (subjects) => {
      const nested = subjects.reduceRight<object | undefined>((inner, sub) => ({ sub, act: inner }), undefined);
      expect(delegationChain({ act: nested }).map(({ sub }) => sub)).toEqual(subjects);
    }),
  );
});
