/** The option `nonces`: where the servers' nonces are stored. */
import { DPoPProver, dpopFetch, type NonceStore, OAuthClient, proofFetch, proofSession } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { resourceServer } from "../../servers/resource-server.js";
import { granted, refuse, stubProofClient, tokenRequest, withToken } from "../../servers/stub-proof-client.js";
import { challenge, errorOf, ok, respond, TOKEN } from "../../servers/stub-resource.js";

const stub = await stubProofClient();
const { server, url, inTurn, proofs } = stub;
afterAll(() => stub.close());

const resource = `resource-server ${server.origin}`;
const authorization = `authorization-server ${server.origin}`;
const nonces = () => proofs().map(({ nonce }) => nonce);

/** One call by each function that has the option. */
const calls: Record<string, [server: string, call: (nonces: NonceStore) => Promise<unknown>]> = {
  OAuthClient: [
    authorization,
    (nonces) =>
      new OAuthClient({ baseUrl: server.origin, nonces }).clientCredentials({
        clientId: "agent",
        dpopProver: stub.prover,
      }),
  ],
  dpopFetch: [resource, (nonces) => dpopFetch({ prover: stub.prover, token: TOKEN, nonces })(url)],
  "proofFetch with a token": [resource, (nonces) => stub.caller({ nonces })(url, withToken())],
  "proofFetch with a form": [authorization, (nonces) => stub.caller({ nonces })(stub.endpoints.token, tokenRequest())],
};

describe.each(Object.entries(calls))("%s", (_, [name, call]) => {
  it("uses the server's nonce from the store, and stores the one of the response", async () => {
    inTurn((response, ...more) => granted(response.setHeader("dpop-nonce", "n2"), ...more));
    const store = new Map([[name, "n1"]]);
    await call(store);
    expect(nonces()).toEqual(["n1"]);
    expect([...store]).toEqual([[name, "n2"]]);
  });

  it("replaces a nonce that is outdated, by one more request", async () => {
    const headers = { "dpop-nonce": "n2" };
    inTurn(name === resource ? challenge("use_dpop_nonce", headers) : refuse("use_dpop_nonce", headers), granted);
    const store = new Map([[name, "n1"]]);
    await call(store);
    expect(nonces()).toEqual(["n1", "n2"]);
    expect([...store]).toEqual([[name, "n2"]]);
  });

  it.each(["", "two words", 'quo"ted', 7, null])("ignores %j in the store, which isn't a nonce", async (value) => {
    inTurn(granted);
    await call(new Map([[name, value as string]]));
    expect(nonces()).toEqual([undefined]);
  });
});

describe("the option nonces", () => {
  it("keeps the nonces of both roles apart where they share an origin", async () => {
    const store = new Map([
      [resource, "of-the-resource"],
      [authorization, "of-the-server"],
    ]);
    inTurn(granted, ok);
    const session = proofSession({ prover: stub.prover, nonces: store });
    const headers = [
      await session.request({ method: "POST", url }).headers(),
      await session.request({ method: "GET", url, token: TOKEN }).headers(),
    ];
    expect(headers.map(({ dpop }) => decodeJwt(dpop).nonce)).toEqual(["of-the-server", "of-the-resource"]);
  });

  it("stores nothing for a response without a nonce, or with a malformed one", async () => {
    const store = new Map<string, string>();
    const call = dpopFetch({ prover: stub.prover, token: TOKEN, nonces: store });
    inTurn(respond(200, { "dpop-nonce": "two words" }), ok);
    await call(url);
    await call(url);
    expect([...store]).toEqual([]);
  });

  it("saves the challenges of real servers in the next client", async () => {
    await using as = await authorizationServer();
    await using rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
    const store = new Map<string, string>();
    const run = async () => {
      const prover = await DPoPProver.generate();
      const client = new OAuthClient({ baseUrl: as.issuer, nonces: store });
      const token = await client.clientCredentials({ ...as.client, dpopProver: prover });
      return (await dpopFetch({ prover, token, nonces: store })(rs.url)).status;
    };
    const requests = () => [as, rs].map(({ requests }) => requests.filter(({ headers }) => headers.dpop).length);
    expect(await run()).toBe(200);
    expect(requests()).toEqual([2, 2]);
    expect(await run()).toBe(200);
    expect(requests()).toEqual([3, 3]);
    as.rotateNonces();
    rs.rotateNonce();
    expect(await run()).toBe(200);
    expect(requests()).toEqual([5, 5]);
  });

  it.each<[string, (nonces: never) => unknown]>([
    ["OAuthClient", (nonces) => new OAuthClient({ baseUrl: server.origin, nonces })],
    ["dpopFetch", (nonces) => dpopFetch({ prover: stub.prover, token: TOKEN, nonces })],
    ["proofFetch", (nonces) => proofFetch({ prover: stub.prover, nonces })],
    ["proofSession", (nonces) => proofSession({ prover: stub.prover, nonces })],
  ])("must be a store: %s", async (_, create) => {
    for (const value of [{}, null, "nonce", { get: () => "" }]) {
      const error = await errorOf((async () => create(value as never))());
      expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("nonces must be") });
    }
  });
});
