/** Token sources whose tokens are bound to the client's certificate (RFC 8705 §3), and their stores. */
import { memoryTokenStore, OAuthClient, tokenSource } from "hardproof";
import { afterAll, describe, expect, it } from "vitest";
import {
  byCertificate,
  certificate,
  certificateClient,
  otherCertificate,
  otherX5t,
  x5t,
} from "../../servers/certificate-client.js";
import { json } from "../../servers/stub-server.js";

const { server, prover, newClient } = await certificateClient();
afterAll(() => server.close());

describe("a source of certificate-bound tokens", () => {
  const grant = { ...byCertificate, grantType: "client_credentials" };
  const issueInTurn = (cnf?: object) =>
    server.respondWith((response, request, turn) =>
      json(200, { access_token: `t${turn}`, token_type: "Bearer", expires_in: 600, cnf })(response, request, turn),
    );
  const accessToken = async (store: ReturnType<typeof memoryTokenStore>, presented = certificate, more = {}) => {
    const client = newClient({ certificate: presented.cert });
    return (await tokenSource({ ...grant, ...more, client, store }).token()).accessToken;
  };

  it("has one stored token for each certificate, even if the tokens don't say which", async () => {
    issueInTurn();
    const store = memoryTokenStore();
    const tokens = [await accessToken(store), await accessToken(store, otherCertificate), await accessToken(store)];
    expect(tokens).toEqual(["t1", "t2", "t1"]);
  });

  it("has separate stored tokens for a key, a certificate and both", async () => {
    issueInTurn();
    const store = memoryTokenStore();
    const both = await accessToken(store, certificate, { prover });
    const keyOnly = await accessToken(store, certificate, { prover, binding: undefined });
    expect([both, keyOnly, await accessToken(store)]).toEqual(["t1", "t2", "t3"]);
    expect(server.requests.map(({ headers }) => "dpop" in headers)).toEqual([true, true, false]);
    expect(await accessToken(store, certificate, { prover })).toBe("t1");
  });

  it("gets refreshed tokens with the same binding", async () => {
    server.respondWith((response, request, turn) => {
      const cnf = { "x5t#S256": turn < 3 ? x5t : otherX5t };
      json(200, { access_token: `t${turn}`, token_type: "Bearer", expires_in: 0, refresh_token: "r", cnf })(
        response,
        request,
        turn,
      );
    });
    const source = tokenSource({ ...grant, client: newClient(), store: memoryTokenStore() });
    expect([(await source.token()).accessToken, (await source.token()).accessToken]).toEqual(["t1", "t2"]);
    await expect(source.token()).rejects.toMatchObject({ code: "binding" });
    expect(server.requests.map(({ form }) => form.get("grant_type"))).toEqual([
      "client_credentials",
      "refresh_token",
      "refresh_token",
    ]);
    expect(server.requests.filter(({ headers }) => "dpop" in headers)).toEqual([]);
  });

  it.each([
    ["another certificate", { "x5t#S256": otherX5t }],
    ["a key", { jkt: "other" }],
  ])("ignores a stored token that is bound to %s", async (_, cnf) => {
    issueInTurn();
    const raw = { access_token: "stored", token_type: "Bearer", cnf };
    const stored = { raw, refreshToken: null, expiresAt: null };
    const store = { ...memoryTokenStore(), get: async () => stored };
    expect(await accessToken(store)).toBe("t1");
    const bound = { ...stored, raw: { ...raw, cnf: { "x5t#S256": x5t } } };
    expect(await accessToken({ ...store, get: async () => bound })).toBe("stored");
  });

  it("ignores a stored token without a confirmation if requireBinding is set", async () => {
    issueInTurn({ "x5t#S256": x5t });
    const raw = { access_token: "stored", token_type: "Bearer" };
    const store = { ...memoryTokenStore(), get: async () => ({ raw, refreshToken: null, expiresAt: null }) };
    expect(await accessToken(store, certificate, { requireBinding: true })).toBe("t1");
    expect(await accessToken(store)).toBe("stored");
  });

  it.each([
    ["an unknown binding", { prover: undefined, binding: "key" }, "binding"],
    ["an unknown binding with a prover", { binding: "key" }, "binding"],
    ["a prover of the wrong type", { prover: 7 }, "prover"],
    ["neither a prover nor a binding", { prover: undefined }, "prover"],
    [
      "a client without a certificate",
      { binding: "certificate", client: new OAuthClient({ baseUrl: server.origin }) },
      "certificate",
    ],
  ])("isn't created with %s", (_, options, message) => {
    const create = () =>
      tokenSource({ client: newClient(), clientId: "my-agent", grantType: "x", prover, ...options } as never);
    expect(create).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.stringContaining(message) }),
    );
  });

  it("needs a client with getToken if there is no prover", async () => {
    const { getTokenWithDPoP, refresh, issuer } = newClient();
    const client = { getTokenWithDPoP, refresh, issuer, certificateThumbprint: x5t };
    await expect(tokenSource({ ...grant, client }).token()).rejects.toMatchObject({ code: "misconfigured" });
  });
});
