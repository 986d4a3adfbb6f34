/** Which redirects `dpopFetch` follows, compared with `fetch`. */
import { afterAll, describe, expect, it } from "vitest";
import { challenge, errorOf, ok, respond, stubResource, TOKEN } from "../../servers/stub-resource.js";

const stub = await stubResource();
const { server, elsewhere, url, inTurn, caller, proofs } = stub;
afterAll(() => stub.close());

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
  ])("follows a %d of a %s as a %s with a new proof, as fetch does", async (status, method, next) => {
    const body = method === "HEAD" ? null : "payload";
    const request = { method, body, headers: { "content-language": "en" } };
    const redirect = respond(status, { location: "/next?a=1", "dpop-nonce": "n1" });
    inTurn(redirect, ok);
    const fetchResponse = await fetch(url, request);
    const byFetch = server.requests.map(({ method, path, body, headers }) => [
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
    ).toEqual(byFetch);
    expect(response).toMatchObject({ status: 200, redirected: true, url: fetchResponse.url });
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
  ])("follows a %d of a %s as fetch does, in any case of the method", async (status, method) => {
    const request = { method, body: /^p/i.test(method) ? "payload" : null };
    const requests = () => server.requests.map(({ method, path, body }) => [method, path, body]);
    const redirect = respond(status, { location: "/next" });
    inTurn(redirect, ok);
    await fetch(url, request);
    const byFetch = requests();
    inTurn(redirect, ok);
    await caller()(url, request);
    expect(requests()).toEqual(byFetch);
    expect(proofs().map(({ htm }) => htm)).toEqual(byFetch.map(([method]) => method));
  });

  it("follows the redirect of a Request with its body", async () => {
    inTurn(respond(307, { location: "/next" }), ok);
    await caller()(new Request(url, { method: "POST", body: "payload", headers: { "x-own": "1" } }));
    expect(server.requests[1]).toMatchObject({ method: "POST", body: "payload", headers: { "x-own": "1" } });
  });

  it.each([301, 302, 303, 307, 308])("doesn't follow a %d to another origin", async (status) => {
    inTurn(respond(status, { location: `${elsewhere.origin}/resource` }));
    elsewhere.respondWith(ok);
    expect(await errorOf(caller()(url))).toMatchObject({
      code: "redirect",
      message: expect.stringContaining(elsewhere.origin),
    });
    expect(elsewhere.requests).toEqual([]);
  });

  it("doesn't follow a redirect to an invalid URL or to a URL with a user name, or an opaque redirect", async () => {
    inTurn(respond(302, { location: "http://[" }));
    expect(await errorOf(caller()(url))).toMatchObject({ code: "redirect" });
    inTurn(respond(302, { location: `${server.origin.replace("//", "//u:p@")}/x` }));
    expect(await errorOf(caller()(url))).toMatchObject({ code: "invalid-htu" });
    const opaque = async () => Object.defineProperty(new Response(), "type", { value: "opaqueredirect" });
    expect(await errorOf(caller({ fetch: opaque })(url))).toMatchObject({ code: "redirect" });
  });

  it("throws if the custom fetch has followed a redirect", async () => {
    inTurn(respond(302, { location: `${elsewhere.origin}/resource` }));
    elsewhere.respondWith(ok);
    const following: typeof fetch = (input, init) => fetch(input, { ...init, redirect: "follow" });
    expect(await errorOf(caller({ fetch: following })(url))).toMatchObject({ code: "redirect" });
  });

  it("cancels the body of a redirect that it doesn't follow", async () => {
    const cancelled: string[] = [];
    const redirecting = async () => {
      const body = new ReadableStream({ cancel: () => void cancelled.push("body") });
      return new Response(body, { status: 302, headers: { location: elsewhere.origin } });
    };
    expect(await errorOf(caller({ fetch: redirecting })(url))).toMatchObject({ code: "redirect" });
    expect(cancelled).toEqual(["body"]);
  });

  it("throws after 20 redirects", async () => {
    inTurn(respond(302, { location: "/again" }));
    expect(await errorOf(caller()(url))).toMatchObject({ code: "redirect" });
    expect(server.requests).toHaveLength(21);
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(21);
  });

  it("returns a redirect without a Location, and a 304", async () => {
    inTurn(respond(302), respond(304, { location: "/x" }));
    expect([(await caller()(url)).status, (await caller()(url)).status]).toEqual([302, 304]);
  });

  it('returns a redirect with redirect: "manual" and throws with "error", in the init or a Request', async () => {
    inTurn(respond(302, { location: elsewhere.origin }));
    expect((await caller()(url, { redirect: "manual" })).status).toBe(302);
    expect((await caller()(new Request(url, { redirect: "manual" }))).status).toBe(302);
    expect(await errorOf(caller()(url, { redirect: "error" }))).toBeInstanceOf(TypeError);
    expect(server.requests).toHaveLength(3);
  });

  it("retries once per call for a nonce, before or after a redirect", async () => {
    const nonce = (n: string) => challenge("use_dpop_nonce", { "dpop-nonce": n });
    inTurn(nonce("n1"), respond(302, { location: "/next" }), nonce("n2"), ok);
    expect((await caller()(url)).status).toBe(401);
    expect(server.requests).toHaveLength(3);
  });
});
