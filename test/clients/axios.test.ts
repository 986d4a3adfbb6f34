/** `examples/clients/axios.ts` with axios's `http` adapter, at a resource server that requires nonces. */
import { Agent } from "node:http";
import { Readable } from "node:stream";
import { json } from "node:stream/consumers";
import axios, { AxiosError } from "axios";
import { decodeJwt } from "jose";
import { afterAll, beforeEach, expect, it } from "vitest";
import { dpopAdapter } from "../../examples/clients/axios.js";
import { errorOf, respond } from "../servers/stub-resource.js";
import { stubServer } from "../servers/stub-server.js";
import { boundToken, ONE_RETRY_FOR_EACH_NONCE } from "./bound-token.js";

const { rs, prover, token, clientId, newRequests, newStatuses: statuses, close } = await boundToken();
afterAll(close);
beforeEach(() => {
  rs.rotateNonce();
});

const newApi = () => axios.create({ adapter: dpopAdapter({ prover, token }), baseURL: rs.origin });
const hello = expect.objectContaining({ hello: clientId, jkt: prover.jkt });

it("succeeds at the first call, and after the nonce was rotated", async () => {
  const api = newApi();
  statuses();
  expect((await api.get("/resource", { params: { a: 1 } })).data).toEqual(hello);
  expect((await api.get(rs.url)).data).toEqual(hello);
  rs.rotateNonce();
  expect((await api.post("/resource", { a: 1 })).data).toEqual(hello);
  expect(newRequests()).toMatchObject(ONE_RETRY_FOR_EACH_NONCE);
});

it("succeeds in concurrent calls, each with its own proofs", async () => {
  const api = newApi();
  statuses();
  const calls = Array.from({ length: 6 }, (_, index) => api.put(index % 2 ? rs.url : rs.expressUrl, `${index}`));
  expect((await Promise.all(calls)).map(({ data }) => data)).toEqual(Array(6).fill(hello));
  expect(statuses().filter((status) => status === 200)).toHaveLength(6);
});

it.each(["patch", "PATCH", "query"])("signs the method in upper case, as axios sends it: %s", async (method) => {
  const stub = await stubServer();
  stub.respondWith(respond(200));
  await newApi().request({ method, url: stub.origin });
  const [{ method: sent, headers } = expect.unreachable()] = stub.requests;
  expect([sent, decodeJwt(String(headers.dpop)).htm]).toEqual([method.toUpperCase(), method.toUpperCase()]);
  await stub.close();
});

it("releases the connection of a challenge whose response is a stream", async () => {
  const httpAgent = new Agent({ keepAlive: true, maxSockets: 1 });
  const { status, data } = await newApi().get("/resource", { responseType: "stream", httpAgent });
  expect([status, await json(data)]).toEqual([200, hello]);
  httpAgent.destroy();
});

it("sends the token only to allowedOrigins", async () => {
  const stub = await stubServer();
  const api = axios.create({ adapter: dpopAdapter({ prover, token, allowedOrigins: [rs.origin] }) });
  expect((await api.get(rs.url)).status).toBe(200);
  expect(await errorOf(api.get(stub.origin))).toMatchObject({ code: "forbidden-origin" });
  expect(stub.requests).toEqual([]);
  await stub.close();
});

it("succeeds if the instance accepts the status 401 of a challenge", async () => {
  expect(await newApi().get("/resource", { validateStatus: () => true })).toMatchObject({ status: 200, data: hello });
});

it("doesn't send a stream again, and the next call succeeds at once", async () => {
  const api = newApi();
  statuses();
  const error = await errorOf(api.post("/resource", Readable.from(["a"])));
  expect(error).toBeInstanceOf(AxiosError);
  expect(error).toMatchObject({ response: { status: 401 } });
  expect((await api.post("/resource", Readable.from(["a"]))).data).toEqual(hello);
  expect(statuses()).toEqual([401, 200]);
});

it("stops after the second challenge, doesn't follow redirects, and throws network errors", async () => {
  const [stub, elsewhere] = await Promise.all([stubServer(), stubServer()]);
  const nonce = (value: string) => ({ "dpop-nonce": value, "www-authenticate": 'DPoP error="use_dpop_nonce"' });
  stub.respondWith((response, request, turn) => respond(401, nonce(`n${turn}`))(response, request, turn));
  expect(await errorOf(newApi().get(stub.origin))).toMatchObject({ response: { status: 401 } });
  expect(stub.requests).toHaveLength(2);
  stub.respondWith(respond(302, { location: elsewhere.origin }));
  expect(await errorOf(newApi().get(stub.origin))).toMatchObject({ response: { status: 302 } });
  expect(elsewhere.requests).toEqual([]);
  await Promise.all([stub.close(), elsewhere.close()]);
  expect(await errorOf(newApi().get(stub.origin))).toMatchObject({ code: "ECONNREFUSED" });
});
