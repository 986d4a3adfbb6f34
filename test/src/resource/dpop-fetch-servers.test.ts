/** `dpopFetch` with each kind of key, independent verifiers and tokens of oidc-provider, including calls by other libraries. */
import { DPoPProver, dpopFetch, OAuthClient, type Signer, Token, type TokenSource, tokenSource } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { createRemoteJWKSet, decodeJwt, customFetch as joseFetch, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";

let hsm: SoftHsm;
let as: AuthorizationServer;
let rs: ResourceServer;
beforeAll(async () => {
  [hsm, as] = await Promise.all([softHsm({ label: "calls" }), authorizationServer()]);
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
});
afterAll(() => Promise.all([rs.close(), as.close(), hsm.close()]));

const signers: Record<string, () => Signer> = {
  memory: () => MemorySigner.generate(),
  SoftHSM: () => new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin }),
};

describe.each(Object.keys(signers))("a %s key", (kind) => {
  let signer: Signer;
  let prover: DPoPProver;
  let source: TokenSource;
  let call: typeof fetch;
  beforeAll(async () => {
    signer = signers[kind]?.() ?? expect.unreachable();
    prover = await DPoPProver.create(signer);
    const client = new OAuthClient({ baseUrl: as.issuer, requireBinding: true });
    source = tokenSource({ client, prover, grantType: "client_credentials", ...as.client, scope: "read" });
    call = dpopFetch({ prover, token: source, allowedOrigins: [rs.origin] });
  });
  afterAll(() => signer.close());

  const statuses = (since: number) => rs.requests.slice(since).map(({ status }) => status);
  const jtis = (since: number) => rs.requests.slice(since).map(({ headers }) => decodeJwt(String(headers.dpop)).jti);

  describe.each(["url", "expressUrl"] as const)("at the resource server's %s", (route) => {
    it("retries once for a nonce, then succeeds with any kind of request", async () => {
      rs.rotateNonce();
      const since = rs.requests.length;
      const calls: Parameters<typeof fetch>[] = [
        [rs[route]],
        [new URL(`${rs[route]}?a=1#b`)],
        [rs[route], { method: "post", body: "text" }],
        [new Request(rs[route], { method: "PUT", body: "text" })],
        [rs[route], { method: "PATCH", body: new Blob(["text"]).stream(), duplex: "half" }],
      ];
      for (const [input, init] of calls) {
        const response = await call(input, init);
        expect(await response.json()).toMatchObject({ hello: as.client.clientId, jkt: prover.jkt });
      }
      expect(statuses(since)).toEqual([401, 200, 200, 200, 200, 200]);
      expect(new Set(jtis(since)).size).toBe(6);
    });

    it("sends a stream again after a stale nonce", async () => {
      await call(rs[route]);
      rs.rotateNonce();
      const since = rs.requests.length;
      const body = new Blob(["text"]).stream();
      expect((await call(rs[route], { method: "POST", body, duplex: "half" })).status).toBe(200);
      expect(rs.requests.slice(since).map(({ status, body }) => [status, body])).toEqual([
        [401, "text"],
        [200, "text"],
      ]);
    });

    it("sends a unique jti in each of many concurrent calls", async () => {
      rs.rotateNonce();
      const since = rs.requests.length;
      const responses = await Promise.all(Array.from({ length: 12 }, () => call(rs[route])));
      expect(responses.map(({ status }) => status)).toEqual(Array(12).fill(200));
      expect(new Set(jtis(since)).size).toBe(rs.requests.length - since);
    });
  });

  it("renews a token once that the resource server rejects", async () => {
    const revoked = new Token({}, "ey.not-a.token");
    let first = true;
    const token: TokenSource = {
      token: async () => (first ? revoked : source.token()),
      renew: async () => {
        first = false;
        return source.token();
      },
    };
    const since = rs.requests.length;
    expect((await dpopFetch({ prover, token })(rs.url)).status).toBe(200);
    expect(statuses(since).filter((status) => status === 200)).toHaveLength(1);
    expect(new Set(jtis(since)).size).toBe(rs.requests.length - since);
  });

  it("calls with the token of a login, and with its refreshed token", async () => {
    const client = await OAuthClient.discover(as.issuer);
    const request = { ...as.client, dpopProver: prover };
    const scope = "openid offline_access read";
    const login = { ...request, redirectUri: "http://127.0.0.1/callback", scope, extra: { prompt: "consent" } };
    const pending = await client.authorizationUrl(login);
    const callback = await authorizeInBrowser(pending.url, login.redirectUri);
    const first = await client.authorizationCode(callback, { ...request, ...pending });

    const loginSource = tokenSource({ ...as.client, client, prover, grantType: "refresh_token", token: first });
    const loginCall = dpopFetch({ prover, token: loginSource });
    expect((await loginCall(rs.url)).status).toBe(200);
    const next = await loginSource.renew(first);
    expect(next.cnfJkt).toBe(prover.jkt);
    expect(next.accessToken).not.toBe(first.accessToken);
    expect(as.requests.at(-1)?.body).toContain(`refresh_token=${first.refreshToken}`);
    expect((await loginCall(rs.url)).status).toBe(200);
  });

  it("corrects its clock after a verifier has rejected its proof", async () => {
    const late = await DPoPProver.create(signer);
    late.adjustClock(new Date(Date.now() - 500_000).toUTCString());
    expect((await dpopFetch({ prover: late, token: source, adjustClock: false })(rs.url)).status).toBe(401);
    expect((await dpopFetch({ prover: late, token: source })(rs.url)).status).toBe(200);
    expect(Math.abs(late.clockOffsetFor(rs.url))).toBeLessThan(5);
  });
});

describe("a library that accepts a custom fetch", () => {
  let call: typeof fetch;
  let accessToken: string;
  beforeAll(async () => {
    const dpopProver = await DPoPProver.generate();
    const request = { grantType: "client_credentials", dpopProver, ...as.client };
    ({ accessToken } = await new OAuthClient({ baseUrl: as.issuer }).getTokenWithDPoP(request));
    call = dpopFetch({ prover: dpopProver, token: accessToken });
  });

  it("fetches jose's remote key set", async () => {
    const keys = createRemoteJWKSet(new URL(`${as.issuer}/jwks`), { [joseFetch]: call });
    await jwtVerify(accessToken, keys, { issuer: as.issuer });
    const { headers } = as.requests.findLast(({ url }) => url === "/jwks") ?? expect.unreachable();
    expect(decodeJwt(String(headers.dpop)).htu).toBe(`${as.issuer}/jwks`);
  });

  it("sends oauth4webapi's request to an endpoint that requires a nonce", async () => {
    const options = { [oauth.customFetch]: call, [oauth.allowInsecureRequests]: true };
    const metadata = { issuer: as.issuer, introspection_endpoint: rs.url };
    const client = { client_id: as.client.clientId };
    const response = await oauth.introspectionRequest(metadata, client, oauth.None(), "any token", options);
    expect(await response.json()).toMatchObject({ hello: as.client.clientId });
    expect(
      rs.requests.slice(-2).map(({ status, method, body }) => [status, method, body.includes("any+token")]),
    ).toEqual([
      [401, "POST", true],
      [200, "POST", true],
    ]);
  });
});
