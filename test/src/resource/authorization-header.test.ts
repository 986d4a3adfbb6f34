/** The `Authorization` header: its scheme, tokens that aren't bound, and a header that the calling library sets. */
import { DPoPProver, dpopFetch, proofFetch, proofSession, Token } from "hardproof";
import { afterAll, describe, expect, it } from "vitest";
import { errorOf, ok, stubResource, TOKEN } from "../../servers/stub-resource.js";

const stub = await stubResource();
const { server, url, inTurn, caller, proofs } = stub;
afterAll(() => stub.close());

const authorizations = () => server.requests.map(({ headers }) => headers.authorization);
const issued = (fields: Record<string, unknown>) => new Token({ access_token: TOKEN, ...fields }, TOKEN);
const jwtFor = (jkt: string) => `e30.${Buffer.from(JSON.stringify({ cnf: { jkt } })).toString("base64url")}.c2ln`;

describe("the option scheme", () => {
  it("sends the token as Bearer beside the proof", async () => {
    inTurn(ok);
    const { prover } = stub;
    await caller({ scheme: "Bearer" })(url);
    await proofFetch({ prover, scheme: "Bearer" })(url, { headers: { authorization: `DPoP ${TOKEN}` } });
    expect(authorizations()).toEqual([`Bearer ${TOKEN}`, `Bearer ${TOKEN}`]);
    expect(proofs()).toMatchObject([{ ath: expect.any(String) }, { ath: expect.any(String) }]);
    const attempt = proofSession({ prover, scheme: "Bearer" }).request({ method: "GET", url, token: TOKEN });
    expect((await attempt.headers()).authorization).toBe(`Bearer ${TOKEN}`);
  });

  it("is DPoP by default", async () => {
    inTurn(ok);
    await caller()(url);
    expect(authorizations()).toEqual([`DPoP ${TOKEN}`]);
  });

  it.each([
    ["dpopFetch", (options: object) => dpopFetch({ prover: stub.prover, token: TOKEN, ...options })],
    ["proofFetch", (options: object) => proofFetch({ prover: stub.prover, ...options })],
    ["proofSession", (options: object) => proofSession({ prover: stub.prover, ...options })],
  ])("must be one of the two: %s", (_, create) => {
    expect(() => create({ scheme: "Basic" })).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });
});

describe("a token that was issued as an unbound Bearer token", () => {
  const unbound = issued({ token_type: "bearer" });

  it("is rejected before anything is signed or sent, with the reason and the options", async () => {
    inTurn(ok);
    const prover = await DPoPProver.generate();
    const attempt = proofSession({ prover }).request({ method: "GET", url, token: unbound });
    for (const call of [() => caller({ token: unbound })(url), () => attempt.headers()])
      expect(await errorOf(call())).toMatchObject({
        name: "DPoPError",
        code: "invalid-access-token",
        message: expect.stringMatching(/Bearer token.*bound.*option scheme to "Bearer".*to "DPoP"/),
      });
    expect(server.requests).toHaveLength(0);
  });

  it.each(["Bearer", "DPoP"] as const)("is sent as %s if the option scheme says so", async (scheme) => {
    inTurn(ok);
    expect((await caller({ token: unbound, scheme })(url)).status).toBe(200);
    expect(authorizations()).toEqual([`${scheme} ${TOKEN}`]);
  });

  it("isn't assumed if the token is bound, or its type isn't known", async () => {
    inTurn(ok);
    const accessToken = jwtFor(stub.prover.jkt);
    const bound = new Token({ access_token: accessToken, token_type: "bearer" }, accessToken);
    for (const token of [bound, issued({}), issued({ token_type: "DPoP" }), TOKEN])
      expect((await caller({ token })(url)).status).toBe(200);
    expect(authorizations().every((value) => value?.startsWith("DPoP "))).toBe(true);
  });
});

describe("an Authorization header of the calling library", () => {
  const init = { headers: { authorization: "Bearer the-librarys-own" } };

  it("is rejected with the options that set it, and without its value", async () => {
    inTurn(ok);
    const error = await errorOf(caller()(url, init));
    expect(error).toMatchObject({
      code: "forbidden-header",
      message: expect.stringContaining("authProvider of the MCP client"),
    });
    expect(error.message).toContain("replaceAuthorization: true");
    expect(error.message).not.toContain("the-librarys-own");
    expect(server.requests).toHaveLength(0);
  });

  it("is replaced with replaceAuthorization", async () => {
    inTurn(ok);
    await caller({ replaceAuthorization: true })(url, init);
    await caller({ replaceAuthorization: true })(new Request(url, init));
    expect(authorizations()).toEqual([`DPoP ${TOKEN}`, `DPoP ${TOKEN}`]);
  });

  it("doesn't let a proof of the library through, even with replaceAuthorization", async () => {
    const call = caller({ replaceAuthorization: true });
    expect(await errorOf(call(url, { headers: { dpop: "a.b.c" } }))).toMatchObject({ code: "forbidden-header" });
  });
});
