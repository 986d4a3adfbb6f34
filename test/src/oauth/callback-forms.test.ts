/** The forms in which an application receives a callback, and what the error of a rejected one says. */
import fc from "fast-check";
import { type AuthorizationCallback, DPoPProver, OAuthClient, OAuthError } from "hardproof";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

const issuer = "https://auth.example.com";
const redirectUri = "https://app.example.com/callback";
const pending = { redirectUri, state: "the-state", codeVerifier: "v".repeat(43) };
let server: StubServer;
let prover: DPoPProver;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
beforeEach(() => server.respondWith(json(200, { access_token: "opaque" })));
afterAll(() => server.close());

const complete = (callback: AuthorizationCallback, more: object = {}) =>
  new OAuthClient({ baseUrl: server.origin, issuer }).authorizationCode(callback, {
    clientId: "my-agent",
    dpopProver: prover,
    ...pending,
    ...more,
  });
/** Returns the code that was exchanged, or the error. */
const resultOf = async (callback: AuthorizationCallback, more?: object) => {
  server.requests.length = 0;
  try {
    await complete(callback, more);
    return { code: server.requests[0]?.form.get("code") };
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return { code: error.code, message: error.message, sent: server.requests.length };
  }
};

const fields = { code: "the-code", state: "the-state", iss: issuer };
const query = new URLSearchParams(fields).toString();
const formData = new FormData();
for (const [name, value] of Object.entries(fields)) formData.append(name, value);

describe("a callback", () => {
  const forms: [title: string, callback: AuthorizationCallback][] = [
    ["a URL as text", `${redirectUri}?${query}`],
    ["a URL", new URL(`${redirectUri}?tenant=1&${query}`)],
    ["a URL with the response in its fragment", `${redirectUri}?tenant=1#${query}`],
    ["a URL with a fragment that isn't a response", `${redirectUri}?${query}#_=_`],
    ["a URL with a fragment of the application that has the same names", `${redirectUri}?${query}#code=evil`],
    ["a URL with a scheme of the application", `com.example.app:/callback?${query}`],
    ["a form", new URLSearchParams(fields)],
    ["form data", formData],
    ["fields", fields],
    ["fields with other names", { ...fields, session_state: "s", other: { nested: 1 }, more: ["a", "b"] }],
    ["fields without a prototype", Object.assign(Object.create(null), fields)],
    ["fields of which each is a list of one", { code: ["the-code"], state: ["the-state"] }],
  ];
  it.each(forms)("can be %s", async (_, callback) => {
    expect(await resultOf(callback)).toEqual({ code: "the-code" });
  });

  it.each([
    ["repeated fields", { ...fields, code: ["one", "two"] }, "contains code more than once"],
    ["a field that isn't text", { ...fields, code: 5 }, "contains code that isn't text"],
    ["a file as a field", { ...fields, code: new Blob([]) }, "contains code that isn't text"],
    ["inherited fields", Object.create(fields), "doesn't have this request's state"],
    ["a repeated field in a form", new URLSearchParams(`${query}&code=two`), "contains code more than once"],
    ["a repeated field in a fragment", `${redirectUri}#${query}&state=two`, "contains state more than once"],
    ["a code in the query and a state in the fragment", `${redirectUri}?code=c#state=the-state`, "contain a code"],
    ["nothing", {}, "doesn't have this request's state"],
  ])("with %s is rejected before its code is sent", async (_, callback, problem) => {
    const result = await resultOf(callback);
    expect(result).toMatchObject({ code: "invalid-response", sent: 0 });
    expect(result.message).toContain(problem);
  });

  it.each([[undefined], [null], [5], ["/callback?code=c&state=the-state"], [query]])(
    "can't be %j, which the error explains",
    async (callback) => {
      const result = await resultOf(callback as AuthorizationCallback);
      expect(result).toMatchObject({ code: "misconfigured", sent: 0 });
      expect(result.message).toContain("complete URL, its form, or its fields");
    },
  );

  it("gives the same result in every form, whatever it contains", async () => {
    const name = fc.constantFrom("code", "state", "iss", "error", "error_description", "other");
    const value = fc.oneof(fc.constantFrom("the-state", issuer, ""), fc.string());
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(name, value), { maxLength: 6 }), async (pairs) => {
        const form = new URLSearchParams(pairs);
        const record = Object.fromEntries([...new Set(form.keys())].map((key) => [key, form.getAll(key)]));
        const expected = await resultOf(form);
        for (const callback of [`${redirectUri}?${form}`, `${redirectUri}#${form}`, record])
          expect(await resultOf(callback)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });
});

describe("the error of a rejected callback", () => {
  it.each([
    ["no state", "error=access_denied&error_description=not%0Atoday"],
    ["another state", "error=access_denied&error_description=not%0Atoday&state=another"],
    ["another iss", "error=access_denied&error_description=not%0Atoday&state=the-state&iss=https%3A%2F%2Fevil.example"],
  ])("says what the callback claims, but doesn't take it as the server's error: %s", async (_, parameters) => {
    const error: OAuthError = await complete(`${redirectUri}?${parameters}`).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject({ code: "invalid-response", error: "token_request_failed", errorDescription: null });
    expect(error.message).toMatch(/It claims this error of the server: access_denied, not today$/);
  });

  it("limits the length of what the callback claims", async () => {
    const result = await resultOf({ error: "e".repeat(10_000) });
    expect(result.message?.length).toBeLessThan(700);
  });
});
