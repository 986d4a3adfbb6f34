/** A custom `fetch` is called with a URL and an init, whatever the caller passes: no implementation accepts all `Request`s. */
import { createHash } from "node:crypto";
import { proofFetch } from "hardproof";
import ky from "ky";
import createClient from "openapi-fetch";
import { Request as UndiciRequest, fetch as undici } from "undici";
import { afterAll, describe, expect, it } from "vitest";
import { ok, respond, stubResource } from "../../servers/stub-resource.js";

const stub = await stubResource();
const { server, url, inTurn, caller } = stub;
afterAll(() => stub.close());

const undiciFetch = undici as unknown as typeof fetch;
const sent = () =>
  server.requests.map(({ method, path, body, headers }) => ({ method, path, body, own: headers["x-own"] }));
const request = () => new Request(url, { method: "PUT", body: "text", headers: { "x-own": "1" } });

describe("undici's fetch inside dpopFetch", () => {
  it.each([
    ["Node's Request", request],
    ["undici's Request", () => new UndiciRequest(url, { method: "PUT", body: "text", headers: { "x-own": "1" } })],
  ])("accepts %s", async (_, input) => {
    inTurn(ok);
    expect((await caller({ fetch: undiciFetch })(input() as Request)).status).toBe(200);
    expect(sent()).toEqual([{ method: "PUT", path: "/resource", body: "text", own: "1" }]);
  });

  it("is called by ky and openapi-fetch, which pass a Request", async () => {
    inTurn(respond(200, { "content-type": "application/json" }));
    const call = caller({ fetch: undiciFetch });
    expect(await ky.post(url, { fetch: call, body: "text" }).text()).toBe("body");
    const { response } = await createClient<Record<string, never>>({ baseUrl: server.origin, fetch: call }).request(
      "get",
      "/resource" as never,
      { parseAs: "text" } as never,
    );
    expect(response.status).toBe(200);
    expect(sent().map(({ method }) => method)).toEqual(["POST", "GET"]);
  });

  it("checks the integrity that a Request requires, also after a redirect", async () => {
    const integrity = (text: string) => `sha256-${createHash("sha256").update(text).digest("base64")}`;
    for (const fetch of [undefined, undiciFetch]) {
      inTurn(respond(307, { location: "/other" }), ok);
      expect((await caller({ fetch })(new Request(url, { integrity: integrity("body") }))).status).toBe(200);
      await expect(caller({ fetch })(new Request(url, { integrity: integrity("other") }))).rejects.toThrow();
    }
  });
});

it("is called by proofFetch with a request that it passes on, and that fetch gets its body", async () => {
  inTurn(ok);
  const call = proofFetch({ prover: stub.prover, fetch: undiciFetch });
  expect((await call(request())).status).toBe(200);
  expect((await call(new Request(url))).status).toBe(200);
  expect(sent()).toEqual([
    { method: "PUT", path: "/resource", body: "text", own: "1" },
    { method: "GET", path: "/resource", body: "", own: undefined },
  ]);
  expect(server.requests[0]?.headers).toMatchObject({ "content-length": "4" });
  expect(server.requests[0]?.headers).not.toHaveProperty("dpop");
});
