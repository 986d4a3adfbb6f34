/** `examples/clients/undici.ts` with undici's `request`, at a resource server that requires nonces. */
import { Readable } from "node:stream";
import { Agent, type Dispatcher, fetch, interceptors, Pool, request } from "undici";
import { afterAll, beforeEach, expect, it } from "vitest";
import { dpopInterceptor } from "../../examples/clients/undici.js";
import { errorOf, respond } from "../servers/stub-resource.js";
import { stubServer } from "../servers/stub-server.js";
import { boundToken, ONE_RETRY_FOR_EACH_NONCE } from "./bound-token.js";

const { rs, prover, token, newRequests, newStatuses: statuses, close } = await boundToken();
const agents: Dispatcher[] = [];
afterAll(() => Promise.all([close(), ...agents.map((agent) => agent.close())]));
beforeEach(() => {
  rs.rotateNonce();
});

function newDispatcher(...more: Dispatcher.DispatcherComposeInterceptor[]): Dispatcher {
  const agent = new Agent();
  agents.push(agent);
  return agent.compose(dpopInterceptor({ prover, token }), ...more);
}

type Options = Omit<Dispatcher.RequestOptions, "origin" | "path" | "method"> & { method?: Dispatcher.HttpMethod };

async function call(dispatcher: Dispatcher, options: Options = {}, url = rs.url) {
  const { statusCode, body } = await request(url, { dispatcher, ...options });
  return { status: statusCode, body: await body.text() };
}

const hello = { status: 200, body: expect.stringContaining(`"jkt":"${prover.jkt}"`) };

it("succeeds at the first call, and after the nonce was rotated", async () => {
  const dispatcher = newDispatcher();
  statuses();
  expect(await call(dispatcher, { query: { a: 1 } })).toEqual(hello);
  expect(await call(dispatcher)).toEqual(hello);
  rs.rotateNonce();
  const headers = { "content-type": "application/json" };
  expect(await call(dispatcher, { method: "POST", body: '{"a":1}', headers })).toEqual(hello);
  expect(newRequests()).toMatchObject(ONE_RETRY_FOR_EACH_NONCE);
});

it("succeeds in concurrent calls, each with its own proofs", async () => {
  const dispatcher = newDispatcher();
  statuses();
  const put = (body: string): Options => ({ method: "PUT", body: Buffer.from(body) });
  const all = Array.from({ length: 6 }, (_, index) =>
    call(dispatcher, put(`${index}`), index % 2 ? rs.url : rs.expressUrl),
  );
  expect(await Promise.all(all)).toEqual(Array(6).fill(hello));
  expect(statuses().filter((status) => status === 200)).toHaveLength(6);
});

it("doesn't send a stream again, and the next call succeeds at once", async () => {
  const dispatcher = newDispatcher();
  statuses();
  const stream = (): Options => ({ method: "POST", body: Readable.from([Buffer.from("a")]) });
  expect(await call(dispatcher, stream())).toMatchObject({
    status: 401,
    body: expect.stringContaining("use_dpop_nonce"),
  });
  expect(await call(dispatcher, stream())).toEqual(hello);
  expect(statuses()).toEqual([401, 200]);
});

it.each<[string, Dispatcher.DispatchOptions["headers"]]>([
  ["an object", { "x-own": "1", "x-list": ["2", "3"] }],
  [
    "pairs",
    new Map<string, string | string[]>([
      ["x-own", "1"],
      ["x-list", ["2", "3"]],
    ]),
  ],
  ["a flat list", ["x-own", "1", "x-list", "2", "x-list", "3"]],
])("keeps the headers of the request in %s", async (_, headers) => {
  const stub = await stubServer();
  stub.respondWith(respond(200));
  await call(newDispatcher(), { headers } as Options, stub.origin);
  expect(stub.requests).toMatchObject([
    { headers: { "x-own": "1", "x-list": "2, 3", dpop: expect.stringMatching(/^ey/) } },
  ]);
  await stub.close();
});

it("returns the second challenge, however long its body, with headers and body", async () => {
  const stub = await stubServer();
  stub.respondWith((response, _, turn) => {
    const headers = { "dpop-nonce": `n${turn}`, "www-authenticate": 'DPoP error="use_dpop_nonce"' };
    response.writeHead(401, headers).end("x".repeat(500_000));
  });
  const { status, body } = await call(newDispatcher(), {}, stub.origin);
  expect([status, body.length, stub.requests.length]).toEqual([401, 500_000, 2]);
  await stub.close();
});

it("signs a proof for the target of a redirect that an outer interceptor follows", async () => {
  const stub = await stubServer();
  stub.respondWith((response, request, turn) =>
    respond(request.path === "/" ? 302 : 200, { location: "/next" })(response, request, turn),
  );
  const dispatcher = newDispatcher(interceptors.redirect({ maxRedirections: 1 }));
  expect(await call(dispatcher, {}, stub.origin)).toMatchObject({ status: 200 });
  const proofs = stub.requests.map(({ path, headers }) => [path, headers.dpop]);
  expect(proofs.map(([path]) => path)).toEqual(["/", "/next"]);
  expect(proofs[0]?.[1]).not.toBe(proofs[1]?.[1]);
  await stub.close();
});

it("doesn't send the token or a proof to another origin that an outer interceptor follows a redirect to", async () => {
  const [stub, elsewhere] = await Promise.all([stubServer(), stubServer()]);
  elsewhere.respondWith(respond(200));
  stub.respondWith(respond(307, { location: elsewhere.origin }));
  const dispatcher = newDispatcher(interceptors.redirect({ maxRedirections: 1 }));
  expect(await errorOf(call(dispatcher, {}, stub.origin))).toMatchObject({
    code: "redirect",
    message: expect.stringContaining(elsewhere.origin),
  });
  expect(elsewhere.requests).toEqual([]);
  const agent = new Agent().compose(dpopInterceptor({ prover, token, allowedOrigins: [stub.origin] }));
  expect(await errorOf(call(agent, {}, elsewhere.origin))).toMatchObject({ code: "forbidden-origin" });
  expect(elsewhere.requests).toEqual([]);
  await Promise.all([stub.close(), elsewhere.close()]);
});

it.each<[string, Dispatcher.DispatchOptions["headers"]]>([
  ["an object", { Authorization: "Bearer x", "x-own": "authorization", DPoP: "y" }],
  ["a flat list", ["Authorization", "Bearer x", "x-own", "authorization", "DPoP", "y"]],
])("replaces an Authorization and a DPoP header of the caller in %s", async (_, headers) => {
  const stub = await stubServer();
  stub.respondWith(respond(200));
  await call(newDispatcher(), { headers } as Options, stub.origin);
  const { authorization, dpop, "x-own": own } = stub.requests[0]?.headers ?? {};
  const { accessToken } = await token.token();
  expect([authorization, dpop, own]).toEqual([
    `DPoP ${accessToken}`,
    expect.stringMatching(/^ey[^,]+$/),
    "authorization",
  ]);
  await stub.close();
});

it("needs the origin of the request, which a Pool doesn't tell", async () => {
  const pool = new Pool(rs.origin).compose(dpopInterceptor({ prover, token }));
  const options = { path: "/resource", method: "GET" } as const;
  const send = (more: { origin?: string }) => (pool as unknown as Pool).request({ ...options, ...more });
  expect(await errorOf(send({}))).toMatchObject({ message: expect.stringContaining("origin") });
  const { statusCode, body } = await send({ origin: rs.origin });
  await body.dump();
  expect(statusCode).toBe(200);
});

it("rejects with the error of the network, of the key, of the origin, and of an abort", async () => {
  const stub = await stubServer();
  stub.respondWith((response) => response.destroy());
  expect(await errorOf(call(newDispatcher(), {}, stub.origin))).toMatchObject({ code: "UND_ERR_SOCKET" });
  const controller = new AbortController();
  stub.respondWith(() => controller.abort(new Error("stopped by the caller")));
  const aborted = call(newDispatcher(), { signal: controller.signal }, stub.origin);
  expect(await errorOf(aborted)).toMatchObject({ message: "stopped by the caller" });
  await stub.close();
  const other = { token: async () => expect.unreachable("no token"), renew: async () => expect.unreachable() };
  const failing = new Agent().compose(dpopInterceptor({ prover, token: other }));
  expect(await errorOf(call(failing))).toMatchObject({
    message: expect.stringContaining("no token"),
  });
  expect(await errorOf(call(newDispatcher(), {}, "http://api.example.com/"))).toMatchObject({
    code: "forbidden-origin",
  });
});

it("returns the challenge of a body to undici's fetch, which sends each as a stream, and answers that of a GET", async () => {
  const dispatcher = newDispatcher();
  const response = await fetch(rs.url, { method: "POST", body: new URLSearchParams({ a: "1" }), dispatcher });
  expect(response.status).toBe(401);
  rs.rotateNonce();
  expect((await fetch(rs.url, { dispatcher })).status).toBe(200);
});

it("answers a challenge with status 400", async () => {
  const stub = await stubServer();
  const challenge = { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n1" };
  stub.respondWith((...args) => (args[2] === 1 ? respond(400, challenge) : respond(200))(...args));
  expect((await call(newDispatcher(), {}, stub.origin)).status).toBe(200);
  await stub.close();
});
