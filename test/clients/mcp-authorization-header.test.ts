/** An MCP client with an `authProvider` of its own, which sets the `Authorization` header, and `dpopFetch`. */
import { type DPoPFetchOptions, DPoPProver, dpopFetch, OAuthClient, tokenSource } from "hardproof";
import { afterAll, expect, it } from "vitest";
import { authorizationServer } from "../servers/authorization-server.js";
import { mcpServer } from "../servers/mcp-server.js";
import { errorOf } from "../servers/stub-resource.js";
import { connectV2 } from "./mcp-agents.js";

const as = await authorizationServer();
const server = await mcpServer({ issuer: as.issuer });
afterAll(() => Promise.all([server.close(), as.close()]));

const prover = await DPoPProver.generate();
const client = await OAuthClient.discover(as.issuer);
const grant = { grantType: "client_credentials", ...as.client, extra: { resource: server.url } };
const token = tokenSource({ client, prover, ...grant });
const connect = (options: Partial<DPoPFetchOptions> = {}) =>
  connectV2(server.url, {
    authProvider: { token: async () => "the-librarys-own" },
    fetch: dpopFetch({ prover, token, allowedOrigins: [new URL(server.url).origin], ...options }),
  });

it("names authProvider in the error", async () => {
  expect(await errorOf(connect())).toMatchObject({
    code: "forbidden-header",
    message: expect.stringContaining("authProvider of the MCP client"),
  });
});

it("connects with replaceAuthorization", async () => {
  const agent = await connect({ replaceAuthorization: true });
  expect(await agent.call("whoami")).toBe(as.client.clientId);
  await agent.close();
});
