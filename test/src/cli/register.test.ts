/** `hardproof register`, and a server that `hardproof fetch` finds by the resource's metadata. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner } from "hardproof";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
const key = `file://${directory}/dpop.pem`;
const INITIAL = "an-initial-access-token";
const env = { HARDPROOF_KEY: key, HARDPROOF_INITIAL_ACCESS_TOKEN: INITIAL };
let as: AuthorizationServer;
let rs: ResourceServer;
let stub: StubServer;
let jkt: string;
beforeAll(async () => {
  await run(["keygen", key]);
  await using signer = await openSigner(key);
  ({ jkt } = await signer.describe());
  [as, stub] = await Promise.all([
    authorizationServer({ registration: { initialAccessToken: INITIAL } }),
    stubServer(),
  ]);
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience, publishMetadata: true });
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close(), stub.close()]);
  rmSync(directory, { recursive: true });
});

describe("hardproof register", () => {
  it("registers the key, and the client gets a token with it", async () => {
    const { code, out, err } = await run(["register", "--issuer", as.issuer, "--client-name", "Agent 7"], { env });
    expect({ code, out }).toEqual({ code: 0, out: expect.stringMatching(/^\S+\n$/) });
    expect(err).toContain("authenticates by private_key_jwt");
    const args = ["--issuer", as.issuer, "--client-id", out.trim(), "--client-auth", "private_key_jwt", "--json"];
    const token = await run(["token", ...args], { env });
    expect(JSON.parse(token.out)).toMatchObject({ cnfJkt: jkt });
  });

  it("prints the whole registration as JSON", async () => {
    const args = ["--client-name", "Agent 7", "--grant", "client_credentials", "--scope", "read", "--json"];
    const { out, err } = await run(["register", "--issuer", as.issuer, ...args], { env });
    expect(JSON.parse(out)).toMatchObject({
      clientId: expect.any(String),
      clientSecret: null,
      registrationAccessToken: expect.any(String),
      registrationClientUri: expect.stringContaining(as.issuer),
      metadata: {
        client_name: "Agent 7",
        grant_types: ["client_credentials"],
        scope: "read",
        dpop_bound_access_tokens: true,
        jwks: { keys: [{ kid: jkt, use: "sig", alg: "ES256" }] },
      },
    });
    expect(err).toBe("");
  });

  it("writes the response with its secrets to a new file that only the owner can read", async () => {
    const file = join(directory, "client.json");
    const args = ["register", "--issuer", as.issuer, "--client-auth", "client_secret_basic", "--output", file];
    const { code, out, err } = await run(args, { env: { HARDPROOF_INITIAL_ACCESS_TOKEN: INITIAL } });
    expect(code).toBe(0);
    const response = JSON.parse(readFileSync(file, "utf8"));
    expect(response).toMatchObject({ client_id: out.trim(), client_secret: expect.any(String) });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(out + err).not.toContain(response.client_secret);
    const again = await run(args, { env });
    expect(again).toMatchObject({ code: 2, err: expect.stringContaining("EEXIST") });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(response);
  });

  it("deletes the new file if the server refuses the registration", async () => {
    const file = join(directory, "refused.json");
    const args = ["register", "--issuer", as.issuer, "--grant", "no_such_grant", "--output", file];
    const { code, err } = await run(args, { env });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("invalid_client_metadata") });
    expect(() => statSync(file)).toThrow("ENOENT");
  });

  it("reads metadata from a file, which options override, and the tokens from files", async () => {
    const [metadata, token, statement] = ["metadata.json", "token", "statement"].map((name) => join(directory, name));
    writeFileSync(
      String(metadata),
      JSON.stringify({ client_name: "From file", software_id: "agent", jwks: undefined }),
    );
    writeFileSync(String(token), `${INITIAL}\n`);
    writeFileSync(String(statement), "x.y.z\n");
    stub.respondWith(json(201, { client_id: "agent-7" }));
    const args = ["--metadata", metadata, "--initial-access-token-file", token, "--software-statement-file", statement];
    const options = ["--base-url", stub.origin, "--redirect-uri", "http://127.0.0.1/cb", "--client-name", "Agent 7"];
    const { code, out } = await run(["register", ...options, ...args.map(String)], { env: { HARDPROOF_KEY: key } });
    expect({ code, out }).toEqual({ code: 0, out: "agent-7\n" });
    expect(stub.requests[0]).toMatchObject({
      path: "/oauth/register",
      headers: { authorization: `Bearer ${INITIAL}` },
    });
    expect(JSON.parse(stub.requests[0]?.body ?? "")).toMatchObject({
      client_name: "Agent 7",
      software_id: "agent",
      redirect_uris: ["http://127.0.0.1/cb"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "private_key_jwt",
      software_statement: "x.y.z",
    });
  });

  it("takes the authentication method from the metadata, and opens no key for it", async () => {
    const metadata = join(directory, "public.json");
    writeFileSync(
      metadata,
      JSON.stringify({ token_endpoint_auth_method: "none", grant_types: ["authorization_code"] }),
    );
    stub.respondWith(json(201, { client_id: "agent-7" }));
    expect(await run(["register", "--base-url", stub.origin, "--metadata", metadata])).toMatchObject({ code: 0 });
    expect(JSON.parse(stub.requests[0]?.body ?? "")).toEqual({
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code"],
      dpop_bound_access_tokens: true,
    });
  });

  it("registers the grants that hardproof token names by a word", async () => {
    stub.respondWith(json(201, { client_id: "agent-7" }));
    const grants = ["device_code", "refresh_token", "token_exchange"].flatMap((grant) => ["--grant", grant]);
    expect(await run(["register", "--base-url", stub.origin, ...grants], { env })).toMatchObject({ code: 0 });
    expect(JSON.parse(stub.requests[0]?.body ?? "")).toMatchObject({
      grant_types: [
        "urn:ietf:params:oauth:grant-type:device_code",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:token-exchange",
      ],
    });
  });

  it.each([
    [{}, "private_key_jwt was requested. The server doesn't report how the client authenticates."],
    [{ token_endpoint_auth_method: "client_secret_basic" }, "authenticates by client_secret_basic"],
  ])("says how the client authenticates only if the server reports it: %j", async (reported, note) => {
    stub.respondWith(json(201, { client_id: "agent-7", ...reported }));
    expect((await run(["register", "--base-url", stub.origin], { env })).err).toBe(`${note}\n`);
  });

  it("reads metadata from a file with a byte order mark", async () => {
    const metadata = join(directory, "bom.json");
    writeFileSync(metadata, '\uFEFF{"software_id":"agent"}');
    stub.respondWith(json(201, { client_id: "agent-7" }));
    const args = ["register", "--base-url", stub.origin, "--metadata", metadata];
    expect(await run(args, { env })).toMatchObject({ code: 0 });
    expect(JSON.parse(stub.requests[0]?.body ?? "")).toMatchObject({ software_id: "agent" });
  });

  it.each([
    [["register"], "Pass the authorization server"],
    [["register", "--issuer", "https://a.example", "--client-auth", "client_secret_basic"], "--output"],
    [["register", "--base-url", "https://a.example", "--metadata", "/nowhere"], "ENOENT"],
    [["register", "--base-url", "https://a.example", "--metadata", "/proc/self/status"], "JSON object"],
    [["register", "--base-url", "https://a.example", "--output", "/nowhere/x"], "ENOENT"],
  ])("ends with exit code 2 for an invalid command line: %j", async (args, problem) => {
    const { code, err } = await run(args, { env });
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain(problem);
    expect(code).toBe(2);
  });
});

describe("hardproof fetch without --issuer", () => {
  afterEach(() => void vi.restoreAllMocks());
  let clientId: string;
  beforeAll(async () => {
    const { out } = await run(["register", "--issuer", as.issuer], { env });
    clientId = out.trim();
  });
  const fetchWithKey = (...args: string[]) =>
    run(["fetch", "--client-auth", "private_key_jwt", ...args], {
      env: { HARDPROOF_KEY: key, HARDPROOF_CLIENT_ID: clientId },
    });

  it.each(["url", "expressUrl"] as const)("finds the server by the metadata of %s (RFC 9728)", async (route) => {
    const { code, out, err } = await fetchWithKey(rs[route]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ jkt });
    expect(err).toContain(`authorization server ${as.issuer}, named by ${rs[route]}`);
    const { body = "" } = as.requests.findLast(({ url }) => url === "/oauth/token") ?? {};
    expect(new URLSearchParams(body).get("resource")).toBe(rs[route]);
  });

  it("asks for the resource of --resource", async () => {
    const { code, err } = await fetchWithKey(`${rs.url}?page=2`, "--resource", rs.url);
    expect(code).toBe(0);
    expect(err).toContain(`named by ${rs.url}\n`);
  });

  it("finds the metadata that the challenge names", async () => {
    stub.respondWith((response, request, turn) => {
      if (request.path === "/metadata")
        return json(200, { resource: `${stub.origin}/api`, authorization_servers: [as.issuer] })(
          response,
          request,
          turn,
        );
      const challenge = { "www-authenticate": `Bearer resource_metadata="${stub.origin}/metadata"` };
      return json(request.headers.authorization ? 200 : 401, {}, challenge)(response, request, turn);
    });
    expect(await fetchWithKey(`${stub.origin}/api`)).toMatchObject({ code: 0 });
    expect(stub.requests.map(({ path }) => path)).toEqual(["/api", "/metadata", "/api"]);
    expect(stub.requests[0]).toMatchObject({ method: "GET" });
    expect(stub.requests[0]?.headers).not.toHaveProperty("dpop");
  });

  it("ends with exit code 2, and names the options, if the resource doesn't name its server", async () => {
    stub.respondWith(json(404, {}));
    const { code, err } = await fetchWithKey(`${stub.origin}/api`, "-X", "DELETE");
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain("--issuer");
    expect(code).toBe(2);
    expect(stub.requests.map(({ method }) => method)).toEqual(["GET", "GET"]);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ["a client secret", { HARDPROOF_CLIENT_SECRET: "s3cr3t" }, []],
    ["a refresh token", { HARDPROOF_REFRESH_TOKEN: "s3cr3t" }, ["--grant", "refresh_token"]],
    ["a token to exchange", { HARDPROOF_SUBJECT_TOKEN: "s3cr3t" }, ["--grant", "token_exchange"]],
  ])(
    "doesn't let a resource elsewhere decide who receives %s, or one on this machine name a server elsewhere",
    async (_, secret, args) => {
      const elsewhere = "https://elsewhere.example";
      const requests: string[] = [];
      vi.spyOn(globalThis, "fetch").mockImplementation(async (input) => {
        const url = new URL(String(input));
        requests.push(url.href);
        const isServer = url.origin === elsewhere;
        const metadata = { issuer: elsewhere, token_endpoint: `${elsewhere}/token`, access_token: "opaque" };
        const resource = { resource: `${stub.origin}/api`, authorization_servers: [elsewhere] };
        return Response.json(isServer ? metadata : resource);
      });
      const secrets = { HARDPROOF_KEY: key, HARDPROOF_CLIENT_ID: "agent", ...secret };
      for (const url of [`${elsewhere}/api`, `${stub.origin}/api`]) {
        const { code, err } = await run(["fetch", url, ...args], { env: secrets });
        expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("--issuer") });
      }
      expect(requests).not.toContain(`${elsewhere}/token`);
      expect(requests).not.toContain(`${elsewhere}/api`);
    },
  );

  it("sends a client secret to a server on this machine", async () => {
    const { clientId, clientSecret } = as.client;
    const secrets = { HARDPROOF_KEY: key, HARDPROOF_CLIENT_ID: clientId, HARDPROOF_CLIENT_SECRET: clientSecret };
    expect(await run(["fetch", rs.url], { env: secrets })).toMatchObject({ code: 0 });
  });

  it("ends with exit code 4 if the resource can't be reached", async () => {
    stub.respondWith((response) => response.destroy());
    expect(await fetchWithKey(`${stub.origin}/api`)).toMatchObject({ code: 4 });
  });

  it("ends with exit code 2 for a URL that isn't absolute, before the key is opened", async () => {
    const { code, err } = await run(["fetch", "/api"], { env: { HARDPROOF_KEY: "file:///nowhere" } });
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("must be absolute") });
  });
});
