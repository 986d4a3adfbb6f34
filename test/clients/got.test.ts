/** `examples/clients/got.ts` with got, at a resource server that requires nonces. */
import { Readable } from "node:stream";
import got, { HTTPError } from "got";
import { decodeJwt } from "jose";
import { afterAll, beforeEach, expect, it } from "vitest";
import { dpopForGot } from "../../examples/clients/got.js";
import { respond } from "../servers/stub-resource.js";
import { stubServer } from "../servers/stub-server.js";
import { boundToken, ONE_RETRY_FOR_EACH_NONCE } from "./bound-token.js";

const { rs, prover, token, clientId, newRequests, newStatuses: statuses, close } = await boundToken();
afterAll(close);
beforeEach(() => {
  rs.rotateNonce();
});

const newApi = () => got.extend(dpopForGot({ prover, token }), { retry: { limit: 0 } });
const hello = expect.objectContaining({ hello: clientId, jkt: prover.jkt });

it("succeeds at the first call, and after the nonce was rotated", async () => {
  const api = newApi();
  statuses();
  expect(await api(rs.url, { searchParams: { a: 1 } }).json()).toEqual(hello);
  expect(await api(rs.url).json()).toEqual(hello);
  rs.rotateNonce();
  expect(await api.post(rs.url, { json: { a: 1 } }).json()).toEqual(hello);
  expect(newRequests()).toMatchObject(ONE_RETRY_FOR_EACH_NONCE);
});

it("succeeds in concurrent calls, each with its own proofs", async () => {
  const api = newApi();
  statuses();
  const urls = Array.from({ length: 6 }, (_, index) => `${index % 2 ? rs.url : rs.expressUrl}?${index}`);
  expect(await Promise.all(urls.map((url) => api.put(url, { body: url }).json()))).toEqual(Array(6).fill(hello));
  expect(statuses().filter((status) => status === 200)).toHaveLength(6);
});

it("doesn't send a stream again, and the next call succeeds at once", async () => {
  const api = newApi();
  statuses();
  const error = await api.post(rs.url, { body: Readable.from(["a"]) }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(HTTPError);
  expect(error).toMatchObject({ response: { statusCode: 401 } });
  expect(await api.post(rs.url, { body: Readable.from(["a"]) }).json()).toEqual(hello);
  expect(statuses()).toEqual([401, 200]);
});

it("uses the nonce of the response to its retry, and stops after the second challenge", async () => {
  const stub = await stubServer();
  const nonce = (value: string) => ({ "dpop-nonce": value, "www-authenticate": 'DPoP error="use_dpop_nonce"' });
  stub.respondWith((response, request, turn) => respond(401, nonce(`n${turn}`))(response, request, turn));
  const api = newApi();
  const error = await api(stub.origin).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ response: { statusCode: 401 } });
  expect(stub.requests).toHaveLength(2);
  await api(stub.origin).catch(() => undefined);
  const nonces = stub.requests.map(({ headers }) => decodeJwt(String(headers.dpop)).nonce);
  expect(nonces).toEqual([undefined, "n1", "n2", "n3"]);
  await stub.close();
});

it("sends the token only to allowedOrigins", async () => {
  const stub = await stubServer();
  const api = got.extend(dpopForGot({ prover, token, allowedOrigins: [rs.origin] }), { retry: { limit: 0 } });
  expect((await api(rs.url)).statusCode).toBe(200);
  const error = await api(stub.origin).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ message: expect.stringContaining("allowedOrigins") });
  expect(stub.requests).toEqual([]);
  await stub.close();
});

it("doesn't follow redirects", async () => {
  const [stub, elsewhere] = await Promise.all([stubServer(), stubServer()]);
  stub.respondWith(respond(302, { location: elsewhere.origin }));
  expect((await newApi()(stub.origin)).statusCode).toBe(302);
  expect(elsewhere.requests).toEqual([]);
  await Promise.all([stub.close(), elsewhere.close()]);
});
