/** Which client authentication a secret is sent by if the application hasn't chosen one (RFC 8414 §2, RFC 6749 §2.3.1). */
import { type ClientAuth, DPoPProver, OAuthClient, type OAuthError, type ServerMetadata } from "hardproof";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authorizationServer } from "../../servers/authorization-server.js";
import { json, type RecordedRequest, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
afterAll(() => server.close());

const SECRET = "s3cr3t-of-the-agent";
const agent = () => ({ clientId: "my-agent", clientSecret: SECRET, dpopProver: prover });
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const methodOf = ({ headers, form }: RecordedRequest) =>
  headers.authorization?.startsWith("Basic ")
    ? "client_secret_basic"
    : form.has("client_secret")
      ? "client_secret_post"
      : "none";
const metadata = (methods?: string[]): ServerMetadata => ({
  issuer: server.origin,
  token_endpoint: `${server.origin}/oauth/token`,
  ...(methods && { token_endpoint_auth_methods_supported: methods }),
});
const clientFor = (methods: string[] | undefined | null, clientAuth?: ClientAuth) =>
  new OAuthClient({
    baseUrl: server.origin,
    clientAuth,
    ...(methods !== null && { metadata: metadata(methods) }),
  });

describe("a secret without the option clientAuth", () => {
  it.each<[string[] | undefined | null, string]>([
    [["client_secret_basic", "client_secret_post"], "client_secret_basic"],
    [["client_secret_post", "client_secret_basic"], "client_secret_basic"],
    [["client_secret_basic"], "client_secret_basic"],
    [["client_secret_post"], "client_secret_post"],
    [["none", "private_key_jwt", "client_secret_post"], "client_secret_post"],
    [undefined, "client_secret_basic"],
    [null, "client_secret_post"],
  ])("is sent with the metadata's methods %j by %s", async (methods, expected) => {
    server.respondWith(json(200, { access_token: "opaque" }));
    await clientFor(methods).clientCredentials(agent());
    expect(server.requests.map(methodOf)).toEqual([expected]);
  });

  it("isn't sent if the server supports neither method", async () => {
    server.respondWith(json(200, { access_token: "opaque" }));
    const error = await errorOf(clientFor(["private_key_jwt"]).clientCredentials(agent()));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(server.requests).toHaveLength(0);
  });
});

describe("a client that the server refuses", () => {
  it.each<[string[] | null, string, string]>([
    [null, "client_secret_post", "client_secret_basic"],
    [["client_secret_basic", "client_secret_post"], "client_secret_basic", "client_secret_post"],
  ])("with the methods %j, is told the default method, the other one and the option", async (methods, used, other) => {
    server.respondWith(json(401, { error: "invalid_client", error_description: "no such client" }));
    const error = await errorOf(clientFor(methods).clientCredentials(agent()));
    expect(error).toMatchObject({ code: "refused", error: "invalid_client", errorDescription: "no such client" });
    expect(error.message).toContain(`by ${used}`);
    expect(error.message).toContain(`set the option clientAuth (--client-auth) to "${other}"`);
    expect(error.message).not.toContain(SECRET);
    expect(server.requests).toHaveLength(1);
  });

  it("is told so too if Keycloak refuses it by another error", async () => {
    server.respondWith(json(401, { error: "unauthorized_client", error_description: "Invalid client credentials" }));
    expect((await errorOf(clientFor(null).clientCredentials(agent()))).message).toContain("option clientAuth");
    server.respondWith(json(400, { error: "unauthorized_client" }));
    expect((await errorOf(clientFor(null).clientCredentials(agent()))).message).toMatch(/unauthorized_client$/);
  });

  it("is told so too if the refusal is only the status 401", async () => {
    server.respondWith((response) => response.writeHead(401).end());
    expect((await errorOf(clientFor(null).clientCredentials(agent()))).message).toContain("clientAuth");
  });

  it.each<ClientAuth>(["client_secret_post", "client_secret_basic"])(
    "isn't advised to change %s, which the application has chosen",
    async (clientAuth) => {
      server.respondWith(json(401, { error: "invalid_client" }));
      expect((await errorOf(clientFor(null, clientAuth).clientCredentials(agent()))).message).toMatch(
        /invalid_client$/,
      );
    },
  );

  it("isn't advised to do so after any other error", async () => {
    server.respondWith(json(400, { error: "invalid_scope" }));
    expect((await errorOf(clientFor(null).clientCredentials(agent()))).message).toMatch(/invalid_scope$/);
  });

  it("is told that it did not authenticate if it has no secret", async () => {
    server.respondWith(json(401, { error: "invalid_client" }));
    const error = await errorOf(clientFor(null).clientCredentials({ ...agent(), clientSecret: null }));
    expect(error.message).toContain("did not authenticate: there was no clientSecret");
  });
});

it("gets a token from a server for client_secret_post by the base URL alone", async () => {
  await using as = await authorizationServer({ requireNonce: false });
  const client = new OAuthClient({ baseUrl: as.issuer });
  const token = await client.getTokenWithDPoP({
    grantType: "client_credentials",
    dpopProver: prover,
    ...as.clients.post,
    scope: "read write",
  });
  expect(token.cnfJkt).toBe(prover.jkt);
});
