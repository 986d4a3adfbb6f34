/** What `dpopFetch` sends, and where it does not. */
import { inspect } from "node:util";
import { type DPoPFetchOptions, dpopFetch, Token } from "hardproof";
import { afterAll, describe, expect, expectTypeOf, it, vi } from "vitest";
import { answer, caught, ok, stubResource, TOKEN } from "../../servers/stub-resource.js";

const told = await stubResource();
const { server, elsewhere, url, inTurn, caller, proofs } = told;
afterAll(() => told.close());

describe("the type", () => {
  it("is fetch's own", () => {
    expectTypeOf(dpopFetch).returns.toEqualTypeOf<typeof fetch>();
    expectTypeOf(dpopFetch).parameter(0).toExtend<DPoPFetchOptions>();
    expectTypeOf<DPoPFetchOptions["token"]>().extract<string | Token>().toEqualTypeOf<string | Token>();
  });
});

describe("RFC 9449 §7.1", () => {
  it("sends the token by the scheme DPoP, and a proof for it", async () => {
    inTurn(ok);
    const response = await caller()(`${url}?a=1#b`, { headers: { "x-own": "kept" } });
    expect(await response.text()).toBe("said");
    expect(server.requests[0]).toMatchObject({
      method: "GET",
      path: "/resource?a=1",
      headers: { authorization: `DPoP ${TOKEN}`, "x-own": "kept" },
    });
    expect(proofs()).toMatchObject([{ htm: "GET", htu: url, ath: expect.any(String) }]);
  });

  it.each(["get", "POST", "put", "delete", "options", "Head", "patch", "PATCH", "purge"])(
    "signs the method %s as it is sent",
    async (method) => {
      inTurn(ok);
      await caller()(url, { method });
      expect(proofs()[0]?.htm).toBe(server.requests[0]?.method);
    },
  );

  it("signs the URL that is called, however it is written", async () => {
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

  it("takes strings, URLs and Requests, whose parts an init overrides", async () => {
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
    expect(await caught(caller()(request))).toBeInstanceOf(TypeError);
  });

  it("gives each of many concurrent requests a jti of its own", async () => {
    inTurn(ok);
    const call = caller();
    await Promise.all(Array.from({ length: 20 }, () => call(url)));
    expect(new Set(proofs().map(({ jti }) => jti)).size).toBe(20);
  });

  it.each(["authorization", "DPoP"])("refuses a %s header of the caller's", async (name) => {
    inTurn(ok);
    expect(await caught(caller()(url, { headers: { [name]: "x" } }))).toMatchObject({ code: "forbidden-header" });
    expect(await caught(caller()(new Request(url, { headers: { [name]: "x" } })))).toMatchObject({ name: "DPoPError" });
    expect(server.requests).toEqual([]);
  });

  it("takes a Token, and refuses one of another key", async () => {
    inTurn(ok);
    await caller({ token: new Token({ cnf: { jkt: told.prover.jkt } }, TOKEN) })(url);
    const other = caller({ token: new Token({ cnf: { jkt: "other" } }, TOKEN) })(url);
    expect(await caught(other)).toMatchObject({
      code: "invalid-access-token",
      message: expect.stringContaining("other"),
    });
    expect(server.requests).toHaveLength(1);
  });

  it.each([{ token: "" }, { token: undefined as never }, { prover: {} as never }, { maxBufferedBody: -1 }])(
    "refuses the options %j",
    (options) => {
      expect(() => caller(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
    },
  );

  it("gives back what fetch gives back, and throws what it throws", async () => {
    inTurn(answer(503, { "x-a": "b" }), (response) => response.destroy());
    const response = await caller()(url);
    expect(response).toMatchObject({ status: 503, url, redirected: false });
    expect(response.headers.get("x-a")).toBe("b");
    expect(await caught(caller()(url))).toBeInstanceOf(TypeError);
    expect(await caught(caller()("/relative"))).toBeInstanceOf(TypeError);
    expect(server.requests).toHaveLength(2);
  });
});

describe("where the token goes", () => {
  const refused = async (target: string, more: Partial<DPoPFetchOptions> = {}) => {
    const fetch = vi.fn(async () => new Response());
    const error = await caught(caller({ fetch, ...more })(target));
    expect(fetch).not.toHaveBeenCalled();
    return error;
  };

  it("to any https: origin and to loopback, and over http: nowhere else", async () => {
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
      expect(await refused(target)).toMatchObject({ name: "DPoPError", code: "forbidden-origin" });
    await caller({ fetch, allowInsecure: true })("http://api.example.com");
    expect(fetch).toHaveBeenCalledTimes(5);
  });

  it("to the allowed origins alone, where they are named", async () => {
    const allowedOrigins = ["https://API.example.com:443/", new URL("https://two.example.com:8443")];
    const fetch = vi.fn(async () => new Response());
    await caller({ fetch, allowedOrigins })("https://api.example.com/resource");
    await caller({ fetch, allowedOrigins })("https://two.example.com:8443");
    expect(fetch).toHaveBeenCalledTimes(2);
    for (const target of ["https://two.example.com", "https://api.example.com.evil.com", "http://api.example.com"])
      expect(await refused(target, { allowedOrigins })).toMatchObject({ code: "forbidden-origin" });
    expect(await refused("http://api.example.com", { allowedOrigins: ["http://api.example.com"] })).toMatchObject({
      message: expect.stringContaining("not https"),
    });
    expect(await refused("https://a.example", { allowedOrigins: [] })).toMatchObject({ code: "forbidden-origin" });
  });

  it.each(["https://a.example/path", "api.example.com", "https://u:p@a.example", "*", "blob:https://a.example"])(
    "refuses the allowed origin %s",
    (origin) => {
      expect(() => caller({ allowedOrigins: [origin] })).toThrow(expect.objectContaining({ code: "misconfigured" }));
    },
  );

  it("refuses a URL with a user's name", async () => {
    expect(await refused("https://user:pass@api.example.com")).toMatchObject({
      code: "invalid-htu",
      message: expect.not.stringContaining("pass@"),
    });
  });

  it("shows neither token nor proof in its errors", async () => {
    inTurn(answer(302, { location: elsewhere.origin }));
    for (const error of [await caught(caller()(url)), await refused("http://api.example.com")])
      expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/a-very-secret|eyJ/);
  });
});
