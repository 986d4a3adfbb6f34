/** What `dpopFetch` sends, and which requests it rejects. */
import { inspect } from "node:util";
import { type DPoPFetchOptions, dpopFetch, Token } from "hardproof";
import { afterAll, describe, expect, expectTypeOf, it, vi } from "vitest";
import { errorOf, ok, respond, stubResource, TOKEN } from "../../servers/stub-resource.js";

const stub = await stubResource();
const { server, elsewhere, url, inTurn, caller, proofs } = stub;
afterAll(() => stub.close());

describe("the type", () => {
  it("returns a function with the type of fetch", () => {
    expectTypeOf(dpopFetch).returns.toEqualTypeOf<typeof fetch>();
    expectTypeOf(dpopFetch).parameter(0).toExtend<DPoPFetchOptions>();
    expectTypeOf<DPoPFetchOptions["token"]>().extract<string | Token>().toEqualTypeOf<string | Token>();
  });
});

describe("RFC 9449 §7.1", () => {
  it("sends the token with the DPoP scheme, and a proof with its hash", async () => {
    inTurn(ok);
    const response = await caller()(`${url}?a=1#b`, { headers: { "x-own": "1" } });
    expect(await response.text()).toBe("body");
    expect(server.requests[0]).toMatchObject({
      method: "GET",
      path: "/resource?a=1",
      headers: { authorization: `DPoP ${TOKEN}`, "x-own": "1" },
    });
    expect(proofs()).toMatchObject([{ htm: "GET", htu: url, ath: expect.any(String) }]);
  });

  it.each(["get", "POST", "put", "delete", "options", "Head", "patch", "PATCH", "purge"])(
    "signs the method %s as fetch sends it",
    async (method) => {
      inTurn(ok);
      await caller()(url, { method });
      expect(proofs()[0]?.htm).toBe(server.requests[0]?.method);
    },
  );

  it("signs the normalized URL", async () => {
    inTurn(ok);
    const host = server.origin.replace("127.0.0.1", "LOCALHOST");
    const fetch = vi.fn((input: string | URL | Request, init?: RequestInit) => {
      expect(String(input)).toBe(`${host}/a/../b c`);
      return globalThis.fetch(String(input).replace("LOCALHOST", "127.0.0.1"), init);
    });
    await caller({ fetch })(`${host}/a/../b c`);
    expect(proofs()[0]?.htu).toBe(`${host.toLowerCase()}/b%20c`);
    expect(server.requests[0]?.path).toBe("/b%20c");
  });

  it("accepts strings, URLs and Requests, which the init overrides", async () => {
    inTurn(ok);
    const request = new Request(url, { method: "POST", body: "of the request", headers: { "x-own": "1" } });
    await caller()(new URL(url));
    await caller()(request);
    await caller()(new Request(url, { method: "POST", body: "x" }), {
      method: "PUT",
      body: "y",
      headers: { "x-own": "2" },
    });
    await caller()(new Request(url));
    expect(server.requests.map(({ method, body, headers }) => [method, body, headers["x-own"]])).toEqual([
      ["GET", "", undefined],
      ["POST", "of the request", "1"],
      ["PUT", "y", "2"],
      ["GET", "", undefined],
    ]);
    expect(proofs().map(({ htm }) => htm)).toEqual(["GET", "POST", "PUT", "GET"]);
    expect(server.requests[1]?.headers).toMatchObject({
      "content-length": "14",
      "content-type": "text/plain;charset=UTF-8",
    });
    expect(request.bodyUsed).toBe(true);
    expect(await errorOf(caller()(request))).toBeInstanceOf(TypeError);
  });

  it("sends a unique jti in each of many concurrent requests", async () => {
    inTurn(ok);
    const call = caller();
    await Promise.all(Array.from({ length: 20 }, () => call(url)));
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(20);
  });

  it.each(["authorization", "DPoP"])("rejects a %s header of the caller", async (name) => {
    inTurn(ok);
    expect(await errorOf(caller()(url, { headers: { [name]: "x" } }))).toMatchObject({ code: "forbidden-header" });
    expect(await errorOf(caller()(new Request(url, { headers: { [name]: "x" } })))).toMatchObject({
      name: "DPoPError",
    });
    expect(server.requests).toEqual([]);
  });

  it("accepts a Token, and rejects one that is bound to a different key", async () => {
    inTurn(ok);
    await caller({ token: new Token({ cnf: { jkt: stub.prover.jkt } }, TOKEN) })(url);
    const other = caller({ token: new Token({ cnf: { jkt: "other" } }, TOKEN) })(url);
    expect(await errorOf(other)).toMatchObject({
      code: "invalid-access-token",
      message: expect.stringContaining("other"),
    });
    expect(server.requests).toHaveLength(1);
  });

  it.each([{ token: "" }, { token: undefined as never }, { prover: {} as never }, { maxBufferedBody: -1 }])(
    "rejects the options %j",
    (options) => {
      expect(() => caller(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
    },
  );

  it("returns what fetch returns, and throws what it throws", async () => {
    inTurn(respond(503, { "x-a": "b" }), (response) => response.destroy());
    const response = await caller()(url);
    expect(response).toMatchObject({ status: 503, url, redirected: false });
    expect(response.headers.get("x-a")).toBe("b");
    expect(await errorOf(caller()(url))).toBeInstanceOf(TypeError);
    expect(await errorOf(caller()("/relative"))).toBeInstanceOf(TypeError);
    expect(server.requests).toHaveLength(2);
  });
});

describe("allowed origins", () => {
  const rejectionOf = async (target: string, more: Partial<DPoPFetchOptions> = {}) => {
    const fetch = vi.fn(async () => new Response());
    const error = await errorOf(caller({ fetch, ...more })(target));
    expect(fetch).not.toHaveBeenCalled();
    return error;
  };

  it("sends the token to any https: origin and to loopback, and over http: only with allowInsecure", async () => {
    const fetch = vi.fn(async () => new Response());
    for (const target of ["https://api.example.com", "http://localhost:1", "http://[::1]", "http://127.1.2.3/x"])
      await caller({ fetch })(target);
    expect(fetch).toHaveBeenCalledTimes(4);
    for (const target of [
      "http://api.example.com/?secret",
      "http://127.0.0.1.example.com",
      "ftp://localhost",
      "data:,x",
    ])
      expect(await rejectionOf(target)).toMatchObject({ name: "DPoPError", code: "forbidden-origin" });
    await caller({ fetch, allowInsecure: true })("http://api.example.com");
    expect(fetch).toHaveBeenCalledTimes(5);
  });

  it("sends the token only to allowedOrigins if they are set", async () => {
    const allowedOrigins = ["https://API.example.com:443/", new URL("https://two.example.com:8443")];
    const fetch = vi.fn(async () => new Response());
    await caller({ fetch, allowedOrigins })("https://api.example.com/resource");
    await caller({ fetch, allowedOrigins })("https://two.example.com:8443");
    expect(fetch).toHaveBeenCalledTimes(2);
    for (const target of ["https://two.example.com", "https://api.example.com.evil.com", "http://api.example.com"])
      expect(await rejectionOf(target, { allowedOrigins })).toMatchObject({ code: "forbidden-origin" });
    expect(await rejectionOf("http://api.example.com", { allowedOrigins: ["http://api.example.com"] })).toMatchObject({
      message: expect.stringContaining("not https"),
    });
    expect(await rejectionOf("https://a.example", { allowedOrigins: [] })).toMatchObject({ code: "forbidden-origin" });
  });

  it.each(["https://a.example/path", "api.example.com", "https://u:p@a.example", "*", "blob:https://a.example"])(
    "rejects %s as an allowed origin",
    (origin) => {
      expect(() => caller({ allowedOrigins: [origin] })).toThrow(expect.objectContaining({ code: "misconfigured" }));
    },
  );

  it("rejects a URL with a user name or password without repeating them", async () => {
    expect(await rejectionOf("https://user:pass@api.example.com")).toMatchObject({
      code: "invalid-htu",
      message: expect.not.stringContaining("pass@"),
    });
  });

  it("doesn't show the token or proof in its errors", async () => {
    inTurn(respond(302, { location: elsewhere.origin }));
    for (const error of [await errorOf(caller()(url)), await rejectionOf("http://api.example.com")])
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/a-very-secret|eyJ/);
  });
});
