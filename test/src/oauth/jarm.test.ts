/** Signed authorization responses (JARM): each check with a response in which only that one thing is wrong. */
import { inspect } from "node:util";
import fc from "fast-check";
import type { OAuthError } from "hardproof";
import { UnsecuredJWT } from "jose";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { clientId, openIdClient } from "../../servers/openid-client.js";
import { providerKey } from "../../servers/stub-openid.js";

const redirectUri = "https://app.example.com/callback?tenant=1";
const { server, key, reset, agent, clientOf } = await openIdClient(() => ({
  authorization_signing_alg_values_supported: ["ES256"],
}));
beforeEach(reset);
afterAll(() => server.close());

const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

const seconds = () => Math.floor(Date.now() / 1000);
const claimsOf = (more: object = {}) => ({
  iss: server.origin,
  aud: clientId,
  exp: seconds() + 300,
  code: "s3cret-code",
  state: "the-state",
  ...more,
});
const pending = { redirectUri, state: "the-state", codeVerifier: "v".repeat(43), responseMode: "jwt" };
const complete = (response: string, client = clientOf(), more: object = {}) =>
  client.authorizationCode(`${redirectUri}&response=${encodeURIComponent(response)}`, {
    ...agent(),
    ...pending,
    ...more,
  });

describe("a signed response", () => {
  it("is requested by the response mode, which the pending authorization remembers", async () => {
    const request = { ...agent(), redirectUri, responseMode: "form_post.jwt" };
    const started = await clientOf().authorizationUrl(request);
    expect(new URL(started.url).searchParams.get("response_mode")).toBe("form_post.jwt");
    expect(started.responseMode).toBe("form_post.jwt");
  });

  it("contains the code, which is exchanged", async () => {
    const response = await key.sign(claimsOf());
    expect((await complete(response)).accessToken).toBe("opaque");
    expect(server.paths()).toEqual(["/jwks", "/token"]);
    expect(server.requests[1]?.form.get("code")).toBe("s3cret-code");
  });

  it.each([
    ["query.jwt", (jwt: string) => `${redirectUri}&response=${jwt}`],
    ["fragment.jwt", (jwt: string) => new URL(`${redirectUri}#response=${jwt}`)],
    ["form_post.jwt", (jwt: string) => new URLSearchParams({ response: jwt })],
    ["form_post.jwt", (jwt: string) => ({ response: jwt })],
  ])("can arrive by %s", async (responseMode, callback) => {
    const request = { ...agent(), ...pending, responseMode };
    await clientOf().authorizationCode(callback(await key.sign(claimsOf())), request);
    expect(server.requests[1]?.form.get("code")).toBe("s3cret-code");
  });

  it("contains the server's error, which is thrown", async () => {
    const claims = { code: undefined, error: "access_denied", error_description: "not today" };
    const error = await errorOf(complete(await key.sign(claimsOf(claims))));
    expect(error).toMatchObject({ code: "refused", error: "access_denied", errorDescription: "not today" });
  });

  it.each([
    ["iss", { iss: "https://evil.example" }, "has the wrong iss: expected http://127.0.0.1"],
    ["iss", { iss: undefined }, "lacks iss"],
    ["aud", { aud: "another" }, "has the wrong aud: expected my-agent"],
    ["aud", { aud: [clientId, "s3cret"] }, "has the wrong aud: expected only my-agent"],
    ["aud", { aud: undefined }, "lacks aud"],
    ["exp", { exp: seconds() - 90 }, "has the wrong exp: expected a time in the future, by a clock that says 20"],
    ["exp", { exp: undefined }, "lacks exp"],
  ])("is rejected because of a wrong %s: %j", async (_, claims, problem) => {
    const error = await errorOf(complete(await key.sign(claimsOf(claims))));
    expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response", statusCode: null });
    expect(error.message).toContain(`The authorization response ${problem}`);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cret|eyJ/);
    expect(server.paths()).not.toContain("/token");
  });

  it.each([
    ["another state", { state: "another" }, "doesn't have this request's state"],
    ["no state", { state: undefined }, "doesn't have this request's state"],
    ["no code", { code: undefined }, "doesn't contain a code"],
    ["a code that isn't text", { code: 5 }, "contains code that isn't text"],
    ["several codes", { code: ["s3cret", "s3cret"] }, "contains code more than once"],
  ])("is rejected because of %s", async (_, claims, problem) => {
    const error = await errorOf(complete(await key.sign(claimsOf(claims))));
    expect(error).toMatchObject({ code: "invalid-response" });
    expect(error.message).toContain(`The callback ${problem}`);
    expect(server.paths()).not.toContain("/token");
  });

  it("must be signed by a key of the server", async () => {
    const byAnother = await errorOf(complete(await (await providerKey()).sign(claimsOf())));
    expect(byAnother.message).toContain("isn't signed by the key in");
    const byUnknown = await errorOf(complete(await (await providerKey("ES256", "key-2")).sign(claimsOf())));
    expect(byUnknown.message).toMatch(/signed with a key that http:\S+\/jwks doesn't contain/);
    expect(server.paths()).not.toContain("/token");
  });

  it("must be signed with the registered algorithm, with RS256 if the server doesn't list algorithms", async () => {
    const rsa = await providerKey("RS256", "rsa");
    server.publish(key.jwk, rsa.jwk);
    const clients = (list: string[] | undefined, options = {}) =>
      clientOf({ authorization_signing_alg_values_supported: list }, options);
    const registered = clients(["RS256", "ES256"], { authorizationSignedResponseAlg: "ES256" });
    const option = "see the option authorizationSignedResponseAlg";
    for (const [jwt, client, problem] of [
      [await rsa.sign(claimsOf()), registered, `is signed with RS256: expected ES256 (${option})`],
      [await key.sign(claimsOf()), clients(undefined), `is signed with ES256: expected RS256 (${option})`],
      [new UnsecuredJWT(claimsOf()).encode(), clients(["none", "ES256"]), "is signed with none: expected ES256"],
    ] as const)
      expect((await errorOf(complete(jwt, client))).message).toContain(problem);
    expect(server.paths()).not.toContain("/token");
    await complete(await rsa.sign(claimsOf()), clients(["RS256", "ES256"]));
    await complete(await rsa.sign(claimsOf()), clients(undefined));
  });

  it("is rejected if it isn't a JWT, without a part of it in the error", async () => {
    const client = clientOf();
    await fc.assert(
      fc.asyncProperty(fc.string({ minLength: 30 }), async (text) => {
        const error = await errorOf(complete(text, client));
        expect(error).toMatchObject({ code: "invalid-response" });
        expect(error.message).not.toContain(text);
      }),
      { numRuns: 50 },
    );
    expect(server.paths()).not.toContain("/token");
  });

  it("can't be requested from a server whose keys or algorithms aren't known", async () => {
    const request = { ...agent(), redirectUri, responseMode: "jwt" };
    for (const metadata of [{ jwks_uri: undefined }, { authorization_signing_alg_values_supported: ["HS256"] }])
      expect(await errorOf(clientOf(metadata).authorizationUrl(request))).toMatchObject({ code: "misconfigured" });
  });
});

describe("a plain response", () => {
  const plain = (query: string, responseMode: string | undefined) =>
    clientOf().authorizationCode(`${redirectUri}&${query}`, { ...agent(), ...pending, responseMode });

  it.each(["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"])(
    "is rejected if the response mode is %s, and what it claims is part of the error",
    async (responseMode) => {
      const withCode = await errorOf(plain("code=s3cret&state=the-state", responseMode));
      expect(withCode).toMatchObject({ code: "invalid-response", error: "token_request_failed" });
      expect(withCode.message).toBe(
        `The callback isn't signed, but the response mode is ${responseMode}. Its code was not used.`,
      );
      const withError = await errorOf(plain("error=access_denied&state=the-state", responseMode));
      expect(withError).toMatchObject({ code: "invalid-response", error: "token_request_failed" });
      expect(withError.message).toContain("It claims this error of the server: access_denied");
      expect(server.requests).toEqual([]);
    },
  );

  it("beside a signed one doesn't count", async () => {
    const jwt = await key.sign(claimsOf());
    const query = `code=evil&state=evil&iss=evil&error=evil&response=${jwt}`;
    await plain(query, "jwt");
    expect(server.requests.at(-1)?.form.get("code")).toBe("s3cret-code");
  });

  it("is accepted by every other response mode", async () => {
    for (const mode of [undefined, "query", "fragment", "form_post"])
      expect((await plain("code=c&state=the-state", mode)).accessToken).toBe("opaque");
  });
});

describe("a signed response that wasn't requested", () => {
  it("is rejected with an error that names the mode and the option", async () => {
    const error = await errorOf(complete(await key.sign(claimsOf()), clientOf(), { responseMode: undefined }));
    expect(error).toMatchObject({ code: "invalid-response" });
    expect(error.message).toContain("is a signed response (response_mode=jwt), which wasn't requested");
    expect(error.message).toContain("responseMode");
    expect(server.requests).toEqual([]);
  });

  it("is ignored if response is a parameter of the redirect URI", async () => {
    const callback = `${redirectUri}&response=1&code=c&state=the-state`;
    await clientOf().authorizationCode(callback, { ...agent(), ...pending, responseMode: undefined });
    expect(server.requests.at(-1)?.form.get("code")).toBe("c");
  });
});
