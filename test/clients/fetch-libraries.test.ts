/** HTTP libraries that take `dpopFetch` as it is, at a resource server that requires nonces. */
import { Octokit } from "@octokit/core";
import axios from "axios";
import { GraphQLClient, gql } from "graphql-request";
import { dpopFetch } from "hardproof";
import ky from "ky";
import createClient from "openapi-fetch";
import { fetch as undiciFetch } from "undici";
import { afterAll, beforeEach, expect, it } from "vitest";
import { json, stubServer } from "../servers/stub-server.js";
import { boundToken } from "./bound-token.js";

const { rs, prover, token, clientId, newRequests, close } = await boundToken();
afterAll(close);
beforeEach(() => {
  rs.rotateNonce();
  newRequests();
});

const call = dpopFetch({ prover, token });
const hello = expect.objectContaining({ hello: clientId, jkt: prover.jkt });

/** The paths of the API, for openapi-fetch. */
interface Paths {
  "/resource": {
    post: {
      requestBody: { content: { "application/json": { a: number } } };
      responses: { 200: { content: { "application/json": { hello: string } } } };
    };
  };
}

const libraries: Record<string, () => Promise<unknown>> = {
  async "axios with its fetch adapter"() {
    const api = axios.create({ adapter: "fetch", env: { fetch: call } });
    return (await api.post(rs.url, { a: 1 })).data;
  },
  ky: () =>
    ky
      .create({ fetch: call })
      .post(rs.url, { json: { a: 1 } })
      .json(),
  async "openapi-fetch"() {
    return (await createClient<Paths>({ baseUrl: rs.origin, fetch: call }).POST("/resource", { body: { a: 1 } })).data;
  },
  async "Octokit core"() {
    return (await new Octokit({ baseUrl: rs.origin, request: { fetch: call } }).request("POST /resource", { a: 1 }))
      .data;
  },
  async "undici's fetch as the inner fetch"() {
    const inner = dpopFetch({ prover, token, fetch: undiciFetch as unknown as typeof fetch });
    return (await inner(rs.url, { method: "POST", body: '{"a":1}' })).json();
  },
};

it.each(Object.keys(libraries))("works with %s, which sends the body again after a challenge", async (name) => {
  expect(await libraries[name]?.()).toEqual(hello);
  const requests = newRequests();
  expect(requests.slice(-2)).toMatchObject([{ status: 401 }, { status: 200 }]);
  for (const { body } of requests) expect(body).toBe('{"a":1}');
  expect(requests).toHaveLength(2);
});

it("works with graphql-request, which sends the body again after a challenge", async () => {
  const server = await stubServer();
  const challenge = { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n1" };
  server.respondWith((response, request, turn) =>
    (turn === 1 ? json(401, {}, challenge) : json(200, { data: { hello: "world" } }))(response, request, turn),
  );
  const client = new GraphQLClient(server.origin, { fetch: call });
  expect(await client.request(gql`{ hello }`)).toEqual({ hello: "world" });
  expect(server.requests.map(({ body }) => JSON.parse(body).query)).toEqual(["{ hello }", "{ hello }"]);
  expect(server.requests[1]?.headers.dpop).toMatch(/^ey/);
  await server.close();
});
