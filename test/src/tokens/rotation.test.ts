/** A token source that gets another key: which token it returns, with which key it renews it, and what is refused. */
import {
  clientAttester,
  DPoPProver,
  dpopFetch,
  memoryTokenStore,
  OAuthClient,
  proofSession,
  type Token,
  tokenSource,
} from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { calculateJwkThumbprint, decodeProtectedHeader, type JWK } from "jose";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";
import { resourceServer } from "../../servers/resource-server.js";
import { json, type RecordedRequest } from "../../servers/stub-server.js";
import { setTime, stubSource, tokenResponse, until } from "./stub-source.js";

const { server, prover, source, issueTokens, close } = await stubSource();
const next = await DPoPProver.generate("Ed25519");
afterAll(close);
beforeEach(() => setTime(0));
afterEach(() => void vi.useRealTimers());

const login = { grantType: "authorization_code", extra: { code: "c-1", code_verifier: "v" } };
const publicLogin = { ...login, clientSecret: undefined };

/** The thumbprint of the key that signed the proof of a request. */
async function jktOf({ headers }: { headers: RecordedRequest["headers"] }): Promise<string> {
  const { jwk } = decodeProtectedHeader(String(headers.dpop));
  return calculateJwkThumbprint(jwk as JWK);
}
const jkts = () => Promise.all(server.requests.map(jktOf));
const nameOf = async (token: Promise<Token>) => (await token).accessToken;

describe("the current token", () => {
  it("is returned with its own key until it is due, and then one for the new key is requested in the background", async () => {
    issueTokens();
    const tokens = source();
    const old = await tokens.token();
    await tokens.rotate(next);
    setTime(539);
    expect(await tokens.token()).toBe(old);
    expect(server.requests).toHaveLength(1);
    setTime(541);
    expect(await tokens.token()).toBe(old);
    expect(tokens.proverFor(old)).toBe(prover);
    await until(async () => (await tokens.token()) !== old);
    const token = await tokens.token();
    expect(tokens.proverFor(token)).toBe(next);
    expect(await jkts()).toEqual([prover.jkt, next.jkt]);
  });

  it("is returned until it expires if the server doesn't issue one for the new key", async () => {
    issueTokens();
    const tokens = source({ backoff: { initialDelay: 1 } });
    await tokens.token();
    await tokens.rotate(next);
    server.respondWith(json(503, { error: "temporarily_unavailable" }));
    for (const time of [541, 560, 599]) {
      setTime(time);
      expect(await nameOf(tokens.token())).toBe("t1");
    }
    setTime(601);
    await expect(tokens.token()).rejects.toMatchObject({ statusCode: 503 });
    issueTokens();
    setTime(700);
    expect(tokens.proverFor(await tokens.token())).toBe(next);
  });

  it("is replaced by one for the new key at once if a resource server rejects it", async () => {
    issueTokens();
    const tokens = source();
    const old = await tokens.token();
    await tokens.rotate(next);
    const renewed = await Promise.all([tokens.renew(old), tokens.renew(old.accessToken), tokens.token()]);
    expect(new Set(renewed.map(({ accessToken }) => accessToken)).has("t1")).toBe(false);
    expect(await jkts()).toEqual([prover.jkt, next.jkt]);
  });

  it("for a wider scope stays with its key, too", async () => {
    issueTokens();
    const tokens = source();
    const wide = await tokens.token({ scope: "write" });
    await tokens.rotate(next);
    expect(await tokens.token({ scope: "write" })).toBe(wide);
    expect(tokens.proverFor(await tokens.token())).toBe(next); // there was none for the source's own scope
  });

  it("outlives a second rotation before it was renewed", async () => {
    issueTokens();
    const tokens = source();
    const old = await tokens.token();
    const last = await DPoPProver.generate();
    await tokens.rotate(next);
    await tokens.rotate(last);
    expect(await tokens.token()).toBe(old);
    setTime(601);
    expect(tokens.proverFor(await tokens.token())).toBe(last);
  });
});

describe("the refresh token", () => {
  const issueRefreshTokens = () =>
    server.respondWith((response, request, turn) =>
      tokenResponse(`t${turn}`, { expires_in: 10, refresh_token: `r${turn}` })(response, request, turn),
    );
  const sent = () => server.requests.map(({ form }) => form.get("refresh_token"));

  it("of a client that authenticates is used with the new key", async () => {
    issueRefreshTokens();
    const store = memoryTokenStore();
    const tokens = source({ ...login, store });
    await tokens.token();
    await tokens.rotate(next);
    setTime(11);
    await tokens.token();
    setTime(22);
    const latest = await nameOf(tokens.token());
    expect(await nameOf(source({ ...login, store, prover: next }).token())).toBe(latest); // as after a restart
    expect(sent()).toEqual([null, "r1", "r2"]);
    expect(await jkts()).toEqual([prover.jkt, next.jkt, next.jkt]);
  });

  it("is the newest one, even if a refresh is in flight when the key is rotated", async () => {
    issueRefreshTokens();
    const tokens = source(login);
    await tokens.token();
    setTime(11);
    const refreshing = tokens.token();
    const rotating = tokens.rotate(next);
    await Promise.all([refreshing, rotating]);
    setTime(22);
    await tokens.token();
    expect(sent()).toEqual([null, "r1", "r2"]);
  });

  it("of a public client isn't sent with the new key: rotate() fails, and nothing changes", async () => {
    issueRefreshTokens();
    const tokens = source(publicLogin);
    await tokens.token();
    await expect(tokens.rotate(next)).rejects.toMatchObject({
      code: "misconfigured",
      message: /public client.*Log in/,
    });
    setTime(11);
    expect(tokens.proverFor(await tokens.token())).toBe(prover);
    expect(await jkts()).toEqual([prover.jkt, prover.jkt]);
  });

  it("of a new login is used instead", async () => {
    issueRefreshTokens();
    const tokens = source(publicLogin);
    await tokens.token();
    const token = await source({ ...publicLogin, prover: next }).token();
    await tokens.rotate(next, { token });
    expect(await nameOf(tokens.token())).toBe("t1");
    setTime(11);
    await tokens.token();
    expect(sent()).toEqual([null, null, "r2"]);
    expect(await jkts()).toEqual([prover.jkt, next.jkt, next.jkt]);
  });

  describe("of processes that share a store, at a server that accepts each refresh token once", () => {
    const sharing = async () => {
      const spent = new Set<string>();
      server.respondWith((response, request, turn) => {
        const refreshToken = request.form.get("refresh_token");
        if (refreshToken !== null && spent.has(refreshToken))
          return json(400, { error: "invalid_grant" })(response, request, turn);
        if (refreshToken !== null) spent.add(refreshToken);
        return tokenResponse(`t${turn}`, { expires_in: 10, refresh_token: `r${turn}` })(response, request, turn);
      });
      const store = memoryTokenStore();
      const [one, other] = [source({ ...login, store }), source({ ...login, store })];
      await one.token();
      await other.token();
      return { store, one, other };
    };

    it("is used once if both have rotated", async () => {
      const { one, other } = await sharing();
      await Promise.all([one.rotate(next), other.rotate(next)]);
      setTime(11);
      expect([await nameOf(one.token()), await nameOf(other.token())]).toEqual(["t2", "t2"]);
      setTime(22);
      expect([await nameOf(other.token()), await nameOf(one.token())]).toEqual(["t3", "t3"]);
      expect(sent()).toEqual([null, "r1", "r2"]);
    });

    it("is used once if both got the token of a new login, and one of them has refreshed it since", async () => {
      const { one, other } = await sharing();
      const token = await source({ ...login, prover: next }).token();
      await Promise.all([one.rotate(next, { token }), other.rotate(next, { token })]);
      await one.renew("t1");
      setTime(11);
      expect([await nameOf(one.token()), await nameOf(other.token())]).toEqual(["t3", "t3"]);
      expect(sent()).toEqual([null, null, "r2"]);
    });

    it("is the newer one if the key is rotated back while the store has a valid token of it", async () => {
      const { one } = await sharing();
      await one.rotate(next);
      setTime(5);
      await one.renew("t1");
      await one.rotate(prover);
      await one.renew("t2");
      expect(sent()).toEqual([null, "r1", "r2"]);
    });
  });

  it("is missing: rotate() fails, and the code isn't sent again", async () => {
    issueTokens({ expires_in: 10 });
    const tokens = source(login);
    await tokens.token();
    await expect(tokens.rotate(next)).rejects.toMatchObject({ code: "misconfigured", message: /no refresh token/ });
    expect(server.requests).toHaveLength(1);
  });
});

it("refuses what isn't a prover, and a source without a key", async () => {
  await expect(source().rotate({} as DPoPProver)).rejects.toMatchObject({ code: "misconfigured" });
});

it("refuses a key whose proofs the server or the client can't use, and nothing changes", async () => {
  issueTokens();
  const issuer = server.origin;
  const metadata = { issuer, token_endpoint: `${issuer}/token`, dpop_signing_alg_values_supported: [prover.alg] };
  const ofOneAlgorithm = source({ client: new OAuthClient({ baseUrl: issuer, metadata }) });
  await expect(ofOneAlgorithm.rotate(next)).rejects.toMatchObject({ message: expect.stringContaining(next.alg) });

  const attester = clientAttester(MemorySigner.generate(), { issuer: "https://attester.example.com", lifetime: 60 });
  const clientAuth = { method: "attest_jwt_client_auth_dpop", attester, prover } as const;
  const attested = source({ client: new OAuthClient({ baseUrl: issuer, clientAuth }), clientSecret: null });
  await expect(attested.rotate(next)).rejects.toMatchObject({
    code: "misconfigured",
    message: expect.stringContaining(next.jkt),
  });
  for (const tokens of [ofOneAlgorithm, attested]) expect(tokens.proverFor(await tokens.token())).toBe(prover);
});

describe("at oidc-provider and a resource server that require nonces", () => {
  const start = async () => {
    vi.useRealTimers();
    const as = await authorizationServer({ algorithms: [prover.alg, next.alg] });
    return { as, rs: await resourceServer({ issuer: as.issuer, audience: as.audience }) };
  };

  it("all of 300 concurrent calls succeed while the key is rotated to one with another algorithm", async () => {
    const { as, rs } = await start();
    const client = await OAuthClient.discover(as.issuer);
    const tokens = tokenSource({ client, prover, grantType: "client_credentials", ...as.client });
    const call = dpopFetch({ prover, token: tokens });
    const keysOf = async (count: number) => {
      const responses = await Promise.all(Array.from({ length: count }, () => call(rs.url)));
      const bodies = await Promise.all(responses.map((response) => response.json()));
      expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
      return bodies.map((body) => Object(body).jkt as string);
    };
    await keysOf(1);
    const before = keysOf(100);
    const rotating = tokens.rotate(next);
    const during = keysOf(100);
    await rotating;
    expect(new Set([...(await before), ...(await during)])).toEqual(new Set([prover.jkt]));
    await tokens.renew(await tokens.token());
    expect(new Set(await keysOf(100))).toEqual(new Set([next.jkt]));
    const attempt = proofSession({ prover }).request({ method: "GET", url: rs.url, token: tokens });
    expect(await jktOf({ headers: { ...(await attempt.headers()) } })).toBe(next.jkt);
    await Promise.all([as.close(), rs.close()]);
  });

  /** Logs in, and returns what a source needs. */
  async function logIn(
    as: AuthorizationServer,
    dpopProver: DPoPProver,
    agent: { clientId: string; clientSecret?: string },
  ) {
    const client = await OAuthClient.discover(as.issuer);
    const redirectUri = "http://127.0.0.1/callback";
    const request = { ...agent, dpopProver };
    const pending = await client.authorizationUrl({ ...request, redirectUri, scope: "read" });
    const callback = await authorizeInBrowser(pending.url, redirectUri);
    const token = await client.authorizationCode(callback, { ...request, ...pending });
    return { client, token, grantType: "authorization_code", ...agent };
  }

  it("the refresh token of a confidential client gets a token for the new key", async () => {
    const { as, rs } = await start();
    const tokens = tokenSource({ ...(await logIn(as, prover, as.client)), prover });
    const call = dpopFetch({ prover, token: tokens });
    expect(await (await call(rs.url)).json()).toMatchObject({ jkt: prover.jkt });
    await tokens.rotate(next);
    await tokens.renew(await tokens.token());
    expect(await (await call(rs.url)).json()).toMatchObject({ jkt: next.jkt });
    await Promise.all([as.close(), rs.close()]);
  });

  it("the refresh token of a public client is refused with another key, which rotate() prevents", async () => {
    const { as, rs } = await start();
    const agent = as.clients.public;
    const session = await logIn(as, prover, agent);
    const refreshToken = session.token.refreshToken ?? expect.unreachable();
    await expect(session.client.refresh({ ...agent, dpopProver: next, refreshToken })).rejects.toMatchObject({
      error: "invalid_grant",
    });
    const tokens = tokenSource({ ...session, prover });
    const call = dpopFetch({ prover, token: tokens });
    expect(await (await call(rs.url)).json()).toMatchObject({ jkt: prover.jkt });
    await expect(tokens.rotate(next)).rejects.toMatchObject({ code: "misconfigured" });
    const { token } = await logIn(as, next, agent);
    await tokens.rotate(next, { token });
    expect(await (await call(rs.url)).json()).toMatchObject({ jkt: prover.jkt });
    await tokens.renew(await tokens.token());
    expect(await (await call(rs.url)).json()).toMatchObject({ jkt: next.jkt });
    await Promise.all([as.close(), rs.close()]);
  });
});
