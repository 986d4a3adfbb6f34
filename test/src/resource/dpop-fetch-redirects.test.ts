/** Which redirects `dpopFetch` follows, beside what `fetch` itself does. */
import { afterAll, describe, expect, it } from "vitest";
import { answer, caught, challenge, ok, stubResource, TOKEN } from "../../servers/stub-resource.js";

const told = await stubResource();
const { server, elsewhere, url, inTurn, caller, proofs } = told;
afterAll(() => told.close());

describe("redirects", () => {
  it.each([
    [301, "POST", "GET"],
    [302, "POST", "GET"],
    [303, "POST", "GET"],
    [303, "PUT", "GET"],
    [303, "HEAD", "HEAD"],
    [302, "PUT", "PUT"],
    [307, "POST", "POST"],
    [308, "POST", "POST"],
  ])("a %d of a %s is followed as a %s, as fetch does, with a fresh proof", async (status, method, next) => {
    const body = method === "HEAD" ? null : "payload";
    const request = { method, body, headers: { "content-language": "en" } };
    const redirect = answer(status, { location: "/next?a=1", "dpop-nonce": "n1" });
    inTurn(redirect, ok);
    const plain = await fetch(url, request);
    const plainly = server.requests.map(({ method, path, body, headers }) => [
      method,
      path,
      body,
      headers["content-type"],
      headers["content-language"],
    ]);
    inTurn(redirect, ok);
    const response = await caller()(url, request);
    expect(
      server.requests.map(({ method, path, body, headers }) => [
        method,
        path,
        body,
        headers["content-type"],
        headers["content-language"],
      ]),
    ).toEqual(plainly);
    expect(response).toMatchObject({ status: 200, redirected: true, url: plain.url });
    expect(proofs()).toMatchObject([
      { htm: method, htu: url },
      { htm: next, htu: `${server.origin}/next`, nonce: "n1" },
    ]);
    expect(server.requests[1]?.headers.authorization).toBe(`DPoP ${TOKEN}`);
  });

  it.each([
    [301, "post"],
    [302, "Post"],
    [302, "put"],
    [302, "patch"],
    [303, "head"],
    [303, "get"],
    [303, "delete"],
    [307, "post"],
  ])("a %d of a %s is followed as fetch does, in whatever case it is given", async (status, method) => {
    const request = { method, body: /^p/i.test(method) ? "payload" : null };
    const requests = () => server.requests.map(({ method, path, body }) => [method, path, body]);
    const redirect = answer(status, { location: "/next" });
    inTurn(redirect, ok);
    await fetch(url, request);
    const plainly = requests();
    inTurn(redirect, ok);
    await caller()(url, request);
    expect(requests()).toEqual(plainly);
    expect(proofs().map(({ htm }) => htm)).toEqual(plainly.map(([method]) => method));
  });

  it("of a Request is followed with its body", async () => {
    inTurn(answer(307, { location: "/next" }), ok);
    await caller()(new Request(url, { method: "POST", body: "payload", headers: { "x-own": "kept" } }));
    expect(server.requests[1]).toMatchObject({ method: "POST", body: "payload", headers: { "x-own": "kept" } });
  });

  it.each([301, 302, 303, 307, 308])("a %d to another origin is refused, and nothing is sent on", async (status) => {
    inTurn(answer(status, { location: `${elsewhere.origin}/resource` }));
    elsewhere.respondWith(ok);
    expect(await caught(caller()(url))).toMatchObject({
      code: "redirect",
      message: expect.stringContaining(elsewhere.origin),
    });
    expect(elsewhere.requests).toEqual([]);
  });

  it("is refused if it leads nowhere, or to the same host with a user's name", async () => {
    inTurn(answer(302, { location: "http://[" }));
    expect(await caught(caller()(url))).toMatchObject({ code: "redirect" });
    inTurn(answer(302, { location: `${server.origin.replace("//", "//u:p@")}/x` }));
    expect(await caught(caller()(url))).toMatchObject({ code: "invalid-htu" });
    const opaque = async () => Object.defineProperty(new Response(), "type", { value: "opaqueredirect" });
    expect(await caught(caller({ fetch: opaque })(url))).toMatchObject({ code: "redirect" });
  });

  it("that a fetch of your own has followed all the same is an error, not an answer", async () => {
    inTurn(answer(302, { location: `${elsewhere.origin}/resource` }));
    elsewhere.respondWith(ok);
    const disobedient: typeof fetch = (input, init) => fetch(input, { ...init, redirect: "follow" });
    expect(await caught(caller({ fetch: disobedient })(url))).toMatchObject({ code: "redirect" });
  });

  it("that is refused leaves no body unread", async () => {
    const cancelled: string[] = [];
    const held = async () => {
      const body = new ReadableStream({ cancel: () => void cancelled.push("body") });
      return new Response(body, { status: 302, headers: { location: elsewhere.origin } });
    };
    expect(await caught(caller({ fetch: held })(url))).toMatchObject({ code: "redirect" });
    expect(cancelled).toEqual(["body"]);
  });

  it("ends after 20", async () => {
    inTurn(answer(302, { location: "/again" }));
    expect(await caught(caller()(url))).toMatchObject({ code: "redirect" });
    expect(server.requests).toHaveLength(21);
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(21);
  });

  it("without a Location, or a 304, is an answer", async () => {
    inTurn(answer(302), answer(304, { location: "/x" }));
    expect([(await caller()(url)).status, (await caller()(url)).status]).toEqual([302, 304]);
  });

  it('is given back with redirect: "manual", and an error with "error", in an init or a Request', async () => {
    inTurn(answer(302, { location: elsewhere.origin }));
    expect((await caller()(url, { redirect: "manual" })).status).toBe(302);
    expect((await caller()(new Request(url, { redirect: "manual" }))).status).toBe(302);
    expect(await caught(caller()(url, { redirect: "error" }))).toBeInstanceOf(TypeError);
    expect(server.requests).toHaveLength(3);
  });

  it("is followed after a challenge, and challenged after it is followed, but once in a call", async () => {
    const nonce = (n: string) => challenge("use_dpop_nonce", { "dpop-nonce": n });
    inTurn(nonce("n1"), answer(302, { location: "/next" }), nonce("n2"), ok);
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(3);
  });
});
