/** Step-up: a token source requests more scope when a resource server asks for it, and keeps both tokens. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { DPoPProver, dpopFetch, memoryTokenStore, OAuthClient, readChallenge, Token, tokenSource } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { errorOf } from "../../servers/stub-resource.js";
import { json } from "../../servers/stub-server.js";
import { stubSource } from "./stub-source.js";

const { server, source, issueTokens, close } = await stubSource();
afterAll(close);

const scopes = () => server.requests.map(({ form }) => form.get("scope"));

describe("token({ scope })", () => {
  it("requests the source's scope and the new one together, and keeps both tokens", async () => {
    issueTokens();
    const tokens = source({ scope: "read" });
    const names = [];
    for (const scope of [undefined, "write", null, ["write"], "read", "write read"])
      names.push((await tokens.token({ scope })).accessToken);
    expect(names).toEqual(["t1", "t2", "t1", "t2", "t1", "t2"]);
    expect(scopes()).toEqual(["read", "read write"]);
  });

  it("shares one request among concurrent callers, in any order of the scopes", async () => {
    issueTokens();
    const tokens = source({ scope: "read" });
    await Promise.all(["a b", "b a", " b  a ", ["b", "a"]].map((scope) => tokens.token({ scope })));
    expect(scopes()).toEqual(["read a b"]);
  });

  it("requests only the new scope if the source has none", async () => {
    issueTokens();
    await source().token({ scope: "write" });
    expect(scopes()).toEqual(["write"]);
  });

  it("renews each token on its own", async () => {
    issueTokens();
    const tokens = source({ scope: "read" });
    await tokens.token();
    const wider = await tokens.token({ scope: "write" });
    expect((await tokens.renew(wider, { scope: "write" })).accessToken).toBe("t3");
    expect((await tokens.token()).accessToken).toBe("t1");
    expect(scopes()).toEqual(["read", "read write", "read write"]);
  });

  it("stores the tokens under different keys", async () => {
    issueTokens();
    const store = memoryTokenStore();
    const [first, second] = [source({ scope: "read", store }), source({ scope: "read", store })];
    await first.token();
    await first.token({ scope: "write" });
    expect((await second.token()).accessToken).toBe("t1");
    expect((await second.token({ scope: "write" })).accessToken).toBe("t2");
    expect(server.requests).toHaveLength(2);
  });

  it("rejects a scope that isn't text, and sends nothing", async () => {
    issueTokens();
    const error = await errorOf(source().token({ scope: [7] as never }));
    expect(error).toMatchObject({ name: "OAuthError", code: "misconfigured" });
    expect(scopes()).toEqual([]);
  });

  it("doesn't affect the first token if the server refuses more", async () => {
    server.respondWith((response, request, turn) =>
      (request.form.get("scope")?.includes("admin")
        ? json(400, { error: "invalid_scope" })
        : json(200, { access_token: `t${turn}` }))(response, request, turn),
    );
    const tokens = source({ scope: "read" });
    expect(await errorOf(tokens.token({ scope: "admin" }))).toMatchObject({ error: "invalid_scope" });
    expect((await tokens.token()).accessToken).toBe("t2");
  });

  it("says that a grant that can't be repeated needs a new login, and sends nothing", async () => {
    issueTokens();
    const token = new Token({ access_token: "login", refresh_token: "r1", expires_in: 600 }, "login");
    const tokens = source({ grantType: "refresh_token", scope: "read", token });
    expect(await errorOf(tokens.token({ scope: "write" }))).toMatchObject({
      code: "misconfigured",
      error: "insufficient_scope",
      message: expect.stringContaining("The scope write needs a new login"),
    });
    expect((await tokens.token({ scope: "read" })).accessToken).toBe("login");
    expect(server.requests).toHaveLength(0);
  });

  it("keeps at most 32 wider tokens, since a server names their scopes", async () => {
    issueTokens();
    const tokens = source();
    for (let number = 0; number <= 32; number++) await tokens.token({ scope: `s${number}` });
    await tokens.token({ scope: "s32" });
    expect(server.requests).toHaveLength(33);
    await tokens.token({ scope: "s0" });
    expect(server.requests).toHaveLength(34);
  });
});

it.each([403, 401])("answers insufficient_scope with status %d with a token of oidc-provider", async (status) => {
  await using as = await authorizationServer();
  const prover = await DPoPProver.generate();
  const api = createServer(({ headers }, response) => {
    const { scope } = decodeJwt<{ scope?: string }>(headers.authorization?.split(" ")[1] ?? "");
    if (scope?.split(" ").includes("write")) response.end("written");
    else response.writeHead(status, { "www-authenticate": 'DPoP error="insufficient_scope", scope="write"' }).end();
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/`;
  const client = await OAuthClient.discover(as.issuer);
  const tokens = tokenSource({ client, prover, grantType: "client_credentials", ...as.client, scope: "read" });

  const refused = await dpopFetch({ prover, token: tokens })(url);
  const challenge = readChallenge(refused);
  expect([refused.status, challenge?.error]).toEqual([status, "insufficient_scope"]);
  const token = await tokens.token({ scope: challenge?.scope });
  expect(await (await dpopFetch({ prover, token })(url)).text()).toBe("written");
  expect((await tokens.token()).scope).toBe("read");
  api.close();
});
