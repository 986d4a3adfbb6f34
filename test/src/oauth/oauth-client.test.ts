/** Token requests to oidc-provider, a real authorization server. */
import { inspect } from "node:util";
import { DPoPProver, OAuthClient } from "hardproof";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";

let as: AuthorizationServer;
let prover: DPoPProver;
beforeAll(async () => {
  as = await authorizationServer();
  prover = await DPoPProver.generate();
});
afterAll(() => as.close());

const request = () => ({ grantType: "client_credentials", dpopProver: prover, scope: "read", ...as.client });
const tokenRequests = () => as.requests.filter(({ url }) => url === "/oauth/token");

describe("client credentials with oidc-provider, which requires nonces", () => {
  it("returns a token that is bound to the prover's key", async () => {
    const token = await new OAuthClient({ baseUrl: as.issuer }).getTokenWithDPoP(request());
    expect(token.cnfJkt).toBe(prover.jkt);
    expect(token.tokenType).toBe("DPoP");
    expect(token.scope).toBe("read");
    expect(token.expiresIn).toBeGreaterThan(0);
    expect(token.refreshToken).toBeNull();
    expect(token.raw).toMatchObject({ access_token: token.accessToken });
  });

  it("retries after a nonce challenge and uses the cached nonce for the next request", async () => {
    const client = new OAuthClient({ baseUrl: `${as.issuer}///` });
    const before = tokenRequests().length;
    await client.getTokenWithDPoP(request());
    await client.getTokenWithDPoP(request());
    expect(
      tokenRequests()
        .slice(before)
        .map(({ status }) => status),
    ).toEqual([400, 200, 200]);
  });

  it("retries after a stale nonce", async () => {
    const client = new OAuthClient({ baseUrl: as.issuer });
    await client.getTokenWithDPoP(request());
    as.rotateNonces();
    const before = tokenRequests().length;
    await client.getTokenWithDPoP(request());
    expect(
      tokenRequests()
        .slice(before)
        .map(({ status }) => status),
    ).toEqual([400, 200]);
  });

  it("encodes the id and secret of client_secret_basic (RFC 6749 §2.3.1)", async () => {
    const client = new OAuthClient({ baseUrl: as.issuer, clientAuth: "client_secret_basic" });
    const token = await client.getTokenWithDPoP({ ...request(), ...as.clients.basic });
    expect(token.cnfJkt).toBe(prover.jkt);
    expect(tokenRequests().at(-1)?.body).not.toMatch(/client_id|client_secret/);
  });

  it("reports the server's error for a wrong secret without the secret", async () => {
    const rejected = new OAuthClient({ baseUrl: as.issuer }).getTokenWithDPoP({
      ...request(),
      clientSecret: "wrong-secret",
    });
    const error = await rejected.catch((reason) => reason);
    expect(error).toMatchObject({ name: "OAuthError", code: "refused", error: "invalid_client", statusCode: 401 });
    expect(error.errorDescription).toEqual(expect.any(String));
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("wrong-secret");
  });

  it("sends a refresh request as a public client", async () => {
    const rejected = new OAuthClient({ baseUrl: as.issuer }).getTokenWithDPoP({
      ...as.clients.public,
      dpopProver: prover,
      grantType: "refresh_token",
      extra: { refresh_token: "no-such-token" },
    });
    await expect(rejected).rejects.toMatchObject({ error: "invalid_grant", statusCode: 400 });
  });
});
