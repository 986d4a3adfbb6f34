/** `readChallenge` reads what a resource server asks for (RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1). */
import fc from "fast-check";
import { readChallenge } from "hardproof";
import { expect, it } from "vitest";

const challengeOf = (...lines: string[]) => readChallenge(responseWith(...lines));

function responseWith(...lines: string[]): Response {
  const headers = new Headers();
  for (const line of lines) headers.append("www-authenticate", line);
  return new Response(null, { status: 403, headers });
}

it("reads insufficient_scope", () => {
  expect(
    challengeOf('DPoP error="insufficient_scope", scope="read write", error_description="More", algs="ES256"'),
  ).toEqual({
    scheme: "dpop",
    error: "insufficient_scope",
    errorDescription: "More",
    scope: "read write",
    acrValues: null,
    maxAge: null,
    resourceMetadata: null,
    parameters: { error: "insufficient_scope", scope: "read write", error_description: "More", algs: "ES256" },
  });
});

it("reads insufficient_user_authentication (RFC 9470 §3)", () => {
  const header = 'Bearer error="insufficient_user_authentication", acr_values="phrh phr", max_age=5';
  expect(challengeOf(header)).toMatchObject({
    scheme: "bearer",
    error: "insufficient_user_authentication",
    acrValues: "phrh phr",
    maxAge: 5,
  });
});

it.each([
  ["one with an error", ['DPoP algs="ES256"', 'Bearer error="insufficient_scope"'], "bearer"],
  ["of several with an error, the one for DPoP", ['Bearer error="a", DPoP error="b"'], "dpop"],
  ["without an error, the one for DPoP", ["Basic realm=x, Bearer scope=a, DPoP scope=b"], "dpop"],
])("returns %s", (_, lines, scheme) => {
  expect(challengeOf(...lines)?.scheme).toBe(scheme);
});

it.each([[[]], [["Basic realm=x"]], [['error="insufficient_scope"']]])(
  "returns undefined for %j",
  (lines: string[]) => {
    expect(challengeOf(...lines)).toBeUndefined();
  },
);

it.each(["-1", "1.5", "soon", '""', "99999999999"])("ignores a max_age of %s", (value) => {
  expect(challengeOf(`DPoP error=x, max_age=${value}`)).toMatchObject({ error: "x", maxAge: null });
});

it("reads the headers of other HTTP libraries", () => {
  const header = 'DPoP error="insufficient_scope"';
  for (const headers of [
    { "www-authenticate": header },
    { "WWW-Authenticate": [header] },
    [["www-authenticate", header]],
  ])
    expect(readChallenge({ headers: headers as Record<string, string> })?.error).toBe("insufficient_scope");
});

it("returns every parameter, whatever its value, and never throws", () => {
  const name = fc.stringMatching(/^[a-z_]{1,10}$/);
  const value = fc.stringMatching(/^[\x20-\x7e]{0,20}$/);
  fc.assert(
    fc.property(fc.dictionary(name, value), fc.string(), (parameters, junk) => {
      const quoted = Object.entries(parameters).map(([key, text]) => `${key}="${text.replace(/["\\]/g, "\\$&")}"`);
      const challenge = readChallenge({ headers: { "www-authenticate": `DPoP ${quoted.join(", ")}`.trimEnd() } });
      expect(challenge?.parameters).toEqual({ ...parameters });
      expect(challenge?.scope).toBe(parameters.scope ?? null);
      expect(() => readChallenge({ headers: { "www-authenticate": junk } })).not.toThrow();
    }),
  );
});
