/** Which requests of another library `proofFetch` changes, and which it passes on or rejects. */
import { hash } from "node:crypto";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { DPoPProver, dpopFetch, type ProofFetchOptions, proofFetch, proofSession } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { SignJWT } from "jose";
import type * as oauth from "oauth4webapi";
import type * as openid from "openid-client";
import { Request as UndiciRequest, fetch as undiciFetch } from "undici";
import { afterAll, describe, expect, expectTypeOf, it, vi } from "vitest";
import { stubProofClient, tokenRequest, withToken } from "../../servers/stub-proof-client.js";
import { errorOf, ok, respond, TOKEN } from "../../servers/stub-resource.js";

const stub = await stubProofClient();
const { server, elsewhere, url, inTurn, caller, proofs, endpoints } = stub;
afterAll(() => stub.close());

const FORM = "application/x-www-form-urlencoded";

it("has a type that is a fetch's, and fits the libraries", () => {
  expectTypeOf(proofFetch).returns.toExtend<typeof fetch>();
  expectTypeOf(proofFetch).returns.toExtend<openid.CustomFetch>();
  expectTypeOf(proofFetch).returns.toExtend<
    (url: string, options: oauth.CustomFetchOptions<"POST", URLSearchParams>) => Promise<Response>
  >();
});

describe("requests with an access token", () => {
  it.each(["Bearer", "DPoP", "bearer", "dPoP"])(
    "sends a token of the scheme %s with the scheme DPoP, and a proof with its hash",
    async (scheme) => {
      inTurn(ok);
      const response = await caller()(`${url}?a=1`, withToken(scheme));
      expect(await response.text()).toBe("body");
      expect(server.requests).toMatchObject([{ path: "/resource?a=1", headers: { authorization: `DPoP ${TOKEN}` } }]);
      expect(proofs()).toMatchObject([{ htm: "GET", htu: url, ath: hash("sha256", TOKEN, "base64url") }]);
    },
  );

  it("adds a proof to any method and body, which stay as they are", async () => {
    inTurn(ok);
    const call = caller();
    const json = { ...withToken(), method: "PUT", body: '{"a":1}' };
    const form = withToken("Bearer", { method: "POST", body: new URLSearchParams({ a: "1" }) });
    for (const init of [json, form]) await call(url, init);
    expect(server.requests.map(({ method, body }) => [method, body])).toEqual([
      ["PUT", '{"a":1}'],
      ["POST", "a=1"],
    ]);
    expect(proofs()).toMatchObject([{ htm: "PUT", ath: expect.any(String) }, { ath: expect.any(String) }]);
  });

  it("rejects a JWT access token that is bound to a different key", async () => {
    inTurn(ok);
    const tokenFor = (jkt: string) =>
      new SignJWT({ cnf: { jkt } }).setProtectedHeader({ alg: "HS256" }).sign(new Uint8Array(32));
    const call = async (jkt: string) => caller()(url, { headers: { authorization: `Bearer ${await tokenFor(jkt)}` } });
    expect((await call(stub.prover.jkt)).status).toBe(200);
    const error = await errorOf(call("other"));
    expect(error).toMatchObject({ code: "invalid-access-token", message: expect.stringContaining("other") });
    expect(server.requests).toHaveLength(1);
  });

  it.each(["Bearer a b", "Bearer a, Bearer b", "DPoP é"])("rejects the malformed header %o", async (authorization) => {
    inTurn(ok);
    expect(await errorOf(caller()(url, { headers: { authorization } }))).toMatchObject({
      code: "invalid-access-token",
    });
    expect(server.requests).toEqual([]);
  });
});

describe("POSTed forms without a token", () => {
  const text = "grant_type=a&b=c+d";
  const typed = { "content-type": `${FORM}; charset=utf-8` };
  it.each<[string, () => RequestInit]>([
    ["URLSearchParams", () => ({ body: new URLSearchParams(text) })],
    ["a string", () => ({ body: text, headers: typed })],
    ["bytes", () => ({ body: Buffer.from(text), headers: { "Content-Type": "Application/X-WWW-Form-Urlencoded" } })],
    ["a Blob", () => ({ body: new Blob([text], { type: FORM }) })],
    ["a stream", () => ({ body: new Blob([text]).stream(), headers: typed, duplex: "half" })],
    ["a Node stream", () => ({ body: Readable.from([Buffer.from(text)]) as never, headers: typed, duplex: "half" })],
    ["an empty string", () => ({ body: "", headers: typed })],
  ])("gets a proof without a token's hash: %s", async (name, init) => {
    inTurn(ok);
    await caller()(endpoints.token, { method: "post", ...init() });
    expect(server.requests).toMatchObject([{ method: "POST", body: name.includes("empty") ? "" : text }]);
    expect(server.requests[0]?.headers["content-type"]?.toLowerCase()).toContain(FORM);
    expect(server.requests[0]?.headers).not.toHaveProperty("authorization");
    expect(proofs()).toEqual([{ jti: expect.any(String), htm: "POST", htu: endpoints.token, iat: expect.any(Number) }]);
  });

  it.each([
    ["Node's Request", Request, undefined],
    ["undici's Request", UndiciRequest as unknown as typeof Request, undefined],
    ["undici's Request and fetch", UndiciRequest as unknown as typeof Request, undiciFetch as unknown as typeof fetch],
  ])("gets a proof: %s", async (_, RequestClass, fetch) => {
    inTurn(ok);
    const request = new RequestClass(endpoints.token, {
      ...tokenRequest({ scope: "read" }),
      headers: { "x-own": "1" },
    });
    expect((await caller({ fetch })(request)).status).toBe(200);
    expect(server.requests).toMatchObject([
      { method: "POST", body: "grant_type=client_credentials&scope=read", headers: { "x-own": "1" } },
    ]);
    expect(server.requests[0]?.headers["content-type"]).toContain(FORM);
    expect(proofs()).toHaveLength(1);
  });

  it("sends a form as it was at the time of the call", async () => {
    inTurn(ok);
    const body = new URLSearchParams({ a: "1" });
    const response = caller()(endpoints.token, { method: "POST", body });
    body.set("a", "2");
    await response;
    expect(server.requests[0]?.body).toBe("a=1");
  });

  it("keeps the Basic credentials of the library", async () => {
    inTurn(ok);
    await caller()(endpoints.token, { ...tokenRequest(), headers: { authorization: "Basic YTpi" } });
    expect(server.requests[0]?.headers.authorization).toBe("Basic YTpi");
    expect(proofs()).toHaveLength(1);
  });

  it("cancels a stream that is still read when the caller aborts, and sends no part of it", async () => {
    inTurn(ok);
    const cancel = vi.fn();
    const controller = new AbortController();
    const reason = new Error("stopped by the caller");
    const pull = (stream: ReadableStreamDefaultController) => {
      if (cancel.mock.calls.length === 0) stream.enqueue(Buffer.from("a=1&"));
      return new Promise<void>(() => controller.abort(reason));
    };
    const body = new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
    const init = { method: "POST", body, headers: typed, duplex: "half", signal: controller.signal } as const;
    expect(await errorOf(caller()(endpoints.token, init))).toBe(reason);
    expect(cancel).toHaveBeenCalledExactlyOnceWith(reason);
    expect(server.requests).toEqual([]);
  });

  it("sends a stream of any length once", async () => {
    inTurn(ok);
    const body = () => new Blob([Buffer.alloc(3000, "a")]).stream();
    const init = () => ({ method: "POST", body: body(), headers: typed, duplex: "half" }) as const;
    const call = caller({ maxBufferedBody: 1000 });
    await call(endpoints.token, init());
    await call(new Request(endpoints.token, init()));
    expect(server.requests.map(({ body }) => body.length)).toEqual([3000, 3000]);
  });
});

describe("all other requests", () => {
  const multipart = new FormData();
  multipart.set("a", "1");
  it.each<[string, string | URL | Request, RequestInit?]>([
    ["discovery", `${server.origin}/.well-known/openid-configuration`],
    ["keys", new URL(`${server.origin}/jwks`), { headers: { accept: "application/json" } }],
    ["a GET with the type of a form", url, { headers: { "content-type": FORM } }],
    ["a PUT of a form", url, { method: "PUT", body: new URLSearchParams({ a: "1" }) }],
    ["JSON", url, { method: "POST", body: "{}", headers: { "content-type": "application/json" } }],
    [
      "JSON as URLSearchParams",
      url,
      { method: "POST", body: new URLSearchParams(), headers: { "content-type": "x/y" } },
    ],
    ["text without a type", url, { method: "POST", body: "a=1" }],
    ["a multipart form", url, { method: "POST", body: multipart }],
    ["Basic credentials", url, { headers: { authorization: "Basic YTpi" } }],
    ["a proof of the library", url, { headers: { dpop: "a.b.c" } }],
    ["another origin", elsewhere.origin, { redirect: "follow" }],
    ["another scheme", "data:,x"],
  ])("passes %s on with the same arguments", async (_, ...args) => {
    const response = new Response("passed on");
    const fetch = vi.fn(async () => response);
    expect(await caller({ fetch, allowedOrigins: [server.origin] })(...args)).toBe(response);
    expect(fetch.mock.calls).toEqual([args]);
    for (const [index, argument] of args.entries()) expect((fetch.mock.calls[0] as unknown[])[index]).toBe(argument);
  });

  it("uses the global fetch of the time of the call by default", async () => {
    const call = caller();
    const global = vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response("global"));
    try {
      expect(await (await call("https://auth.example.com/jwks")).text()).toBe("global");
    } finally {
      global.mockRestore();
    }
  });
});

describe("requests that are rejected", () => {
  const rejectionOf = async (target: string, init: RequestInit, more: Partial<ProofFetchOptions> = {}) => {
    const fetch = vi.fn(async () => new Response());
    const error = await errorOf(caller({ fetch, ...more })(target, init));
    expect(fetch).not.toHaveBeenCalled();
    return error;
  };

  it.each([
    ["a token", withToken("DPoP")],
    ["a form", tokenRequest()],
  ])("rejects %s with a proof of the library", async (_, init) => {
    const headers = { ...init.headers, DPoP: "a.b.c" };
    expect(await rejectionOf(url, { ...init, headers })).toMatchObject({
      code: "forbidden-header",
      message: expect.stringContaining("without DPoP"),
    });
  });

  it.each([
    ["a token", withToken()],
    ["a form", tokenRequest()],
  ])("rejects %s for a server that isn't https: or in allowedOrigins", async (_, init) => {
    const allowedOrigins = ["https://auth.example.com", "http://auth.example.com"];
    for (const target of [
      "http://auth.example.com",
      "https://auth.example.com.evil.com",
      "https://auth.example.com:8443",
    ])
      expect(await rejectionOf(target, init, { allowedOrigins })).toMatchObject({ code: "forbidden-origin" });
    expect(await rejectionOf("https://u:p@auth.example.com", init)).toMatchObject({ code: "invalid-htu" });
    expect(await rejectionOf("http://auth.example.com", init)).toMatchObject({ code: "forbidden-origin" });
    const fetch = vi.fn(async () => new Response());
    await caller({ fetch, allowedOrigins })("https://auth.example.com/token", init);
    await caller({ fetch, allowInsecure: true })("http://auth.example.com/token", init);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  it.each([
    { prover: {} as never },
    { maxBufferedBody: -1 },
    { allowedOrigins: ["https://a.example/path"] },
    { allowedOrigins: "https://a.example" as never },
    { allowedOrigins: null as never },
    { fetch: {} as never },
  ])("rejects the options %j", (options) => {
    expect(() => caller(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });

  it("rejects missing options", () => {
    for (const create of [proofFetch, dpopFetch, proofSession] as ((options?: unknown) => unknown)[])
      for (const options of [undefined, null, {}])
        expect(() => create(options)).toThrow(expect.objectContaining({ code: "misconfigured" }));
  });

  it("doesn't show a token with a line break in the error", async () => {
    const error = await errorOf(caller()(url, { headers: { authorization: `Bearer ${TOKEN}\n${TOKEN}` } }));
    expect(error).toBeInstanceOf(TypeError);
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(TOKEN);
  });

  it("sends an object to the URL that was checked, even if it becomes another one", async () => {
    inTurn(ok);
    const urls = [endpoints.token, elsewhere.origin, elsewhere.origin];
    const changing = { toString: () => urls.shift() ?? elsewhere.origin } as URL;
    await caller({ allowedOrigins: [server.origin] })(changing, tokenRequest());
    expect([server.requests.length, elsewhere.requests]).toEqual([1, []]);
    expect(proofs()).toMatchObject([{ htu: endpoints.token }]);
  });

  it("rejects a Request whose body was read before", async () => {
    const request = new Request(endpoints.token, tokenRequest());
    await request.text();
    expect(await errorOf(caller()(request))).toBeInstanceOf(TypeError);
  });

  it("throws the key's error, and sends nothing", async () => {
    const signer = MemorySigner.generate();
    const prover = await DPoPProver.create(signer);
    await signer.close();
    expect(await rejectionOf(url, withToken(), { prover })).toMatchObject({ name: "SignerError" });
  });
});

describe("redirects", () => {
  it.each([
    ["a token", 302, withToken()],
    ["a form", 307, tokenRequest()],
  ])("follows a redirect of %s within the origin with a new proof, and no other", async (_, status, init) => {
    inTurn(respond(status, { location: "/next" }), ok);
    expect(await caller()(url, init)).toMatchObject({ status: 200, redirected: true });
    expect(proofs()).toMatchObject([{ htu: url }, { htu: `${server.origin}/next` }]);
    inTurn(respond(status, { location: elsewhere.origin }));
    elsewhere.respondWith(ok);
    expect(await errorOf(caller()(url, init))).toMatchObject({ code: "redirect" });
    expect((await caller()(url, { ...init, redirect: "manual" })).status).toBe(status);
    expect(await errorOf(caller()(url, { ...init, redirect: "error" }))).toBeInstanceOf(TypeError);
    expect(elsewhere.requests).toEqual([]);
  });
});

describe("abort", () => {
  it.each([
    ["a token", withToken()],
    ["a form", tokenRequest()],
  ])("throws the signal's reason for %s, before and during the request", async (_, init) => {
    const reason = new Error("stopped by the caller");
    const fetch = vi.fn(async () => new Response());
    const early = caller({ fetch })(url, { ...init, signal: AbortSignal.abort(reason) });
    expect(await errorOf(early)).toBe(reason);
    expect(fetch).not.toHaveBeenCalled();

    const controller = new AbortController();
    server.respondWith(() => controller.abort(reason));
    expect(await errorOf(caller()(url, { ...init, signal: controller.signal }))).toBe(reason);
    const inRequest = new AbortController();
    server.respondWith(() => inRequest.abort(reason));
    expect(await errorOf(caller()(new Request(url, { ...init, signal: inRequest.signal })))).toBe(reason);
  });
});
