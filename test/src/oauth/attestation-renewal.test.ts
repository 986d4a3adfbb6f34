/** How long an attestation is reused, and what an attester may return. */
import { inspect } from "node:util";
import { type ClientAttester, clientAttester, DPoPProver, OAuthClient, SignerError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
});
afterAll(() => server.close());
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  server.respondWith(json(200, { access_token: "opaque" }));
});
afterEach(() => {
  vi.useRealTimers();
});

const HOUR = 3_600_000; // milliseconds
const clientId = "fleet";
const inProcess = clientAttester(MemorySigner.generate(), { issuer: "https://attester.example.com", lifetime: 3600 });
const pass = (milliseconds: number) => vi.setSystemTime(Date.now() + milliseconds);

/** A client, and the requests to its attester. */
async function newClient(attest: ClientAttester = inProcess) {
  const attester = vi.fn<ClientAttester>((key) => attest(key));
  const prover = await DPoPProver.generate();
  const options = {
    baseUrl: server.origin,
    clientAuth: { method: "attest_jwt_client_auth_dpop", attester, prover },
  } as const;
  const client = new OAuthClient(options);
  const requestToken = async () => {
    await client.clientCredentials({ clientId, dpopProver: prover });
    return server.requests.at(-1)?.headers["oauth-client-attestation"];
  };
  return { attester, prover, options, requestToken };
}

describe("an attestation", () => {
  it("is requested once for concurrent callers and for several clients of the process, and reused", async () => {
    const { attester, options, requestToken, prover } = await newClient();
    const other = new OAuthClient(options);
    await Promise.all([requestToken(), requestToken(), other.clientCredentials({ clientId, dpopProver: prover })]);
    pass(0.69 * HOUR);
    await requestToken();
    expect(attester).toHaveBeenCalledOnce();
  });

  it("is renewed in the background after 70 to 80 % of its lifetime: the call that starts it doesn't wait", async () => {
    const { attester, requestToken } = await newClient();
    const first = await requestToken();
    pass(0.81 * HOUR);
    const [during] = await Promise.all([requestToken(), requestToken()]);
    expect(during).toBe(first);
    await expect.poll(requestToken).not.toBe(first);
    expect(attester).toHaveBeenCalledTimes(2);
  });

  it("isn't renewed at the same time in every process", async () => {
    const renewed: boolean[] = [];
    for (const random of [0, 0.99]) {
      vi.spyOn(Math, "random").mockReturnValue(random);
      const { attester, requestToken } = await newClient();
      await requestToken();
      pass(0.75 * HOUR);
      await requestToken();
      renewed.push(attester.mock.calls.length > 1);
      vi.restoreAllMocks();
    }
    expect(renewed).toEqual([true, false]);
  });

  it("isn't sent when it is about to expire: the call waits for the next one", async () => {
    const { attester, requestToken } = await newClient();
    const first = await requestToken();
    pass(0.96 * HOUR);
    await expect(requestToken()).resolves.not.toBe(first);
    expect(attester).toHaveBeenCalledTimes(2);
  });

  it("is used until it expires while the attester fails, which is asked again after ten seconds", async () => {
    const fail = vi.fn(() => false);
    const { attester, requestToken } = await newClient((key) => {
      if (fail()) throw new SignerError("unavailable", "The KMS is away.");
      return inProcess(key);
    });
    const first = await requestToken();
    fail.mockReturnValue(true);
    pass(0.81 * HOUR);
    await requestToken();
    await requestToken();
    expect(attester).toHaveBeenCalledTimes(2);
    pass(10_001);
    await expect(requestToken()).resolves.toBe(first);
    expect(attester).toHaveBeenCalledTimes(3);
    pass(0.15 * HOUR);
    await expect(requestToken()).rejects.toMatchObject({ name: "SignerError", code: "unavailable" });
    fail.mockReturnValue(false);
    await expect(requestToken()).resolves.not.toBe(first);
  });

  it("is as old as its attester says, even if the clocks of the two disagree", async () => {
    const { attester, requestToken } = await newClient(async (key) => {
      const now = Date.now();
      vi.setSystemTime(now - 5 * HOUR);
      const jwt = await inProcess(key);
      vi.setSystemTime(now);
      return jwt;
    });
    await requestToken();
    pass(0.69 * HOUR);
    await requestToken();
    expect(attester).toHaveBeenCalledOnce();
  });

  it("is replaced once for concurrent calls to which the server responded that it isn't fresh", async () => {
    const { attester, requestToken } = await newClient();
    const first = await requestToken();
    let rejected = 0;
    server.respondWith((response, request, turn) => {
      const isStale = request.headers["oauth-client-attestation"] === first;
      if (isStale) rejected += 1;
      const respond = isStale ? json(401, { error: "use_fresh_attestation" }) : json(200, { access_token: "opaque" });
      respond(response, request, turn);
    });
    await Promise.all([requestToken(), requestToken(), requestToken()]);
    expect(rejected).toBe(3);
    expect(attester).toHaveBeenCalledTimes(2);
  });

  it("ends the wait of a caller that aborts, but not that of another one", async () => {
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const { requestToken, options, prover } = await newClient((key) => answered.then(() => inProcess(key)));
    const waiting = requestToken();
    const controller = new AbortController();
    const client = new OAuthClient(options);
    const aborted = client.clientCredentials({ clientId, dpopProver: prover, signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: "aborted" });
    answer();
    await expect(waiting).resolves.toMatch(/^eyJ/);
  });
});

describe("the proof of possession", () => {
  it.each([
    ["contains the challenge that the server's endpoint returns in the body", 200, "c-1"],
    ["lacks a challenge if the server's endpoint fails, since the error response would contain one", 503, undefined],
  ])("%s", async (_, status, challenge) => {
    const { signer } = await DPoPProver.generate();
    const clientAuth = { method: "attest_jwt_client_auth", attester: inProcess, signer } as const;
    const endpoint = (name: string) => `${server.origin}/${name}`;
    const metadata = {
      issuer: server.origin,
      introspection_endpoint: endpoint("introspect"),
      challenge_endpoint: endpoint("challenge"),
    };
    const client = new OAuthClient({ baseUrl: server.origin, metadata, clientAuth });
    server.respondWith((response, request, turn) =>
      request.path === "/challenge"
        ? json(status, { attestation_challenge: "c-1" })(response, request, turn)
        : json(200, { active: true })(response, request, turn),
    );
    await client.introspect({ clientId, token: "token" });
    expect(server.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /challenge",
      "POST /introspect",
    ]);
    const pop = String(server.requests[1]?.headers["oauth-client-attestation-pop"]);
    expect(decodeJwt(pop).challenge).toBe(challenge);
  });

  it("must be for an algorithm that the server lists", async () => {
    const { signer } = await DPoPProver.generate();
    const clientAuth = { method: "attest_jwt_client_auth", attester: inProcess, signer } as const;
    const metadata = { issuer: server.origin, client_attestation_pop_signing_alg_values_supported: ["PS256"] };
    const endpoints = { introspection: "/introspect" };
    const client = new OAuthClient({ baseUrl: server.origin, metadata, clientAuth, endpoints });
    const attempt = client.introspect({ clientId, token: "token" });
    await expect(attempt).rejects.toMatchObject({ code: "misconfigured", message: expect.stringContaining("PS256") });
    expect(server.requests).toHaveLength(0);
  });

  it("is signed again by the server's clock if the server rejects it because of its time", async () => {
    const prover = await DPoPProver.generate();
    const clientAuth = { method: "attest_jwt_client_auth", attester: inProcess, signer: prover.signer } as const;
    const client = new OAuthClient({ baseUrl: server.origin, clientAuth });
    const date = new Date(Date.now() + 100_000).toUTCString();
    server.respondWith((response, request, turn) =>
      turn === 1
        ? json(401, { error: "invalid_client_attestation" }, { date })(response, request, turn)
        : json(200, { active: true })(response, request, turn),
    );
    await client.introspect({ clientId, token: "token" });
    const times = server.requests.map(
      ({ headers }) => decodeJwt(String(headers["oauth-client-attestation-pop"])).iat ?? 0,
    );
    expect(times).toHaveLength(2);
    expect(Math.abs((times[1] ?? 0) - (times[0] ?? 0) - 100)).toBeLessThanOrEqual(1);
  });
});

describe("an attester", () => {
  const sign = (claims: object) =>
    `${[{ alg: "none" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.AA`;

  it.each<[string, (jwk: object) => unknown]>([
    ["isn't a JWT", () => "<html>"],
    ["isn't a JWT", () => undefined],
    ["isn't a JWT", () => "a b.c.d"],
    ["for another client", (jwk) => sign({ sub: "other", exp: 2e9, cnf: { jwk } })],
    ["for another key", () => sign({ sub: clientId, exp: 2e9, cnf: { jwk: { kty: "OKP", crv: "Ed25519", x: "AA" } } })],
    ["for another key", () => sign({ sub: clientId, exp: 2e9, cnf: { jwk: { kty: "?" } } })],
    ["for another key", () => sign({ sub: clientId, exp: 2e9 })],
    ["without a lifetime", (jwk) => sign({ sub: clientId, cnf: { jwk } })],
    ["without a lifetime", (jwk) => sign({ sub: clientId, exp: 1, cnf: { jwk } })],
  ])("that returns something that is an error before it is sent: %s", async (problem, respond) => {
    const { requestToken } = await newClient(async ({ jwk }) => respond(jwk) as string);
    const error = await requestToken().catch((reason) => reason);
    expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response" });
    expect(error.message).toContain(problem);
    expect(inspect(error)).not.toContain("eyJ");
    expect(server.requests).toHaveLength(0);
  });

  it("that doesn't respond is asked again by the next call after ten seconds", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout", "performance"] });
    const { attester, requestToken } = await newClient(() => new Promise<string>(() => undefined));
    const error = requestToken().catch((reason) => reason);
    await vi.waitFor(() => expect(attester).toHaveBeenCalledOnce());
    await vi.advanceTimersByTimeAsync(10_001);
    await expect(error).resolves.toMatchObject({ name: "OAuthError", code: "timeout" });
    vi.useRealTimers();
    attester.mockImplementation(inProcess);
    await expect(requestToken()).resolves.toMatch(/^eyJ/);
  });

  it("may leave out iat: its exp is then compared with this machine's clock", async () => {
    const attester: ClientAttester = async ({ jwk }) =>
      sign({ sub: clientId, exp: Date.now() / 1000 + 3600, cnf: { jwk } });
    await expect((await newClient(attester)).requestToken()).resolves.toMatch(/^eyJ/);
  });
});
