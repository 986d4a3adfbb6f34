/** `hardproof token`, `fetch` and `demo` against oidc-provider and a resource server with third-party verifiers. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSigner } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { confirmDevice } from "../../servers/browser.js";
import { closedOrigin, loopbackServer } from "../../servers/loopback-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-cli-"));
const key = `file://${directory}/dpop.pem`;
let as: AuthorizationServer;
let rs: ResourceServer;
let jkt: string;
let env: Record<string, string>;
beforeAll(async () => {
  await run(["keygen", key]);
  await using signer = await openSigner(key);
  ({ jkt } = await signer.describe());
  const jwks = { keys: [{ ...(await signer.publicJwk()), kid: jkt, alg: "ES256", use: "sig" }] };
  const byKey = { ...confidential, client_id: "by-key", token_endpoint_auth_method: "private_key_jwt", jwks } as const;
  as = await authorizationServer({ clients: [byKey] });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  env = {
    HARDPROOF_KEY: key,
    HARDPROOF_CLIENT_ID: as.client.clientId,
    HARDPROOF_CLIENT_SECRET: as.client.clientSecret,
  };
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close()]);
  rmSync(directory, { recursive: true });
});

/** Adds a polling interval of one second: oidc-provider doesn't send one, and the default is five seconds. */
function withShortInterval(originalFetch: typeof fetch): typeof fetch {
  return async (input, init) => {
    const response = await originalFetch(input, init);
    if (!String(input).endsWith("/oauth/device")) return response;
    return Response.json(Object.assign(Object(await response.json()), { interval: 1 }), { status: response.status });
  };
}

describe("hardproof token", () => {
  it("prints only the access token on standard output, and the rest on standard error", async () => {
    const { code, out, err } = await run(["token", "--issuer", as.issuer, "--scope", "read"], { env });
    expect(code).toBe(0);
    expect(out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(decodeJwt(out.trim()).cnf).toEqual({ jkt });
    expect(err).toContain(`bound to ${jkt}\n`);
    expect(err).not.toContain(as.client.clientSecret);
  });

  it("prints the whole response as JSON", async () => {
    const { out, err } = await run(["token", "--json", "--issuer", as.issuer, "--scope", "read", "--require-binding"], {
      env,
    });
    expect(JSON.parse(out)).toMatchObject({ tokenType: "DPoP", cnfJkt: jkt, jkt, scope: "read", refreshToken: null });
    expect(err).toBe("");
  });

  it("derives the token endpoint from --base-url, without metadata", async () => {
    expect(await run(["token", "--base-url", as.issuer], { env })).toMatchObject({ code: 0 });
  });

  it.each(["a file", "standard input"])("reads the client secret from %s", async (where) => {
    const path = join(directory, "secret");
    writeFileSync(path, `\uFEFF${as.client.clientSecret}\r\n\n`);
    const source = where === "a file" ? path : "-";
    const args = ["token", "--issuer", as.issuer, "--client-id", as.client.clientId, "--client-secret-file", source];
    expect(await run(args, { env: { HARDPROOF_KEY: key }, stdin: as.client.clientSecret })).toMatchObject({ code: 0 });
  });

  it("authenticates with the key (private_key_jwt)", async () => {
    const args = ["token", "--issuer", as.issuer, "--client-id", "by-key", "--client-auth", "private_key_jwt"];
    expect(await run(args, { env })).toMatchObject({ code: 0 });
    const byOther = await run(["token", "--key", "memory:", "--client-key", key, ...args.slice(1)], { env });
    expect(byOther).toMatchObject({ code: 0 });
    expect(decodeJwt(byOther.out.trim()).cnf).not.toEqual({ jkt });
  });

  it("shows the user code of the device grant on standard error, and refreshes the token later", async () => {
    vi.stubGlobal("fetch", withShortInterval(fetch));
    const args = ["--issuer", as.issuer, "--client-id", as.clients.public.clientId, "--scope", "read"];
    const onError = (text: string) => {
      const [, url, code] = /^Open (\S+) and enter (\S+)$/m.exec(text) ?? [];
      if (url && code) void confirmDevice(url, code);
    };
    const keyEnv = { HARDPROOF_KEY: key };
    const { code, out } = await run(["token", "--json", "--grant", "device_code", ...args], { env: keyEnv, onError });
    vi.unstubAllGlobals();
    expect(code).toBe(0);
    const { refreshToken, cnfJkt } = JSON.parse(out);
    expect(cnfJkt).toBe(jkt);
    const env = { ...keyEnv, HARDPROOF_REFRESH_TOKEN: refreshToken };
    const refreshed = await run(["token", "--grant", "refresh_token", ...args], { env });
    expect(refreshed).toMatchObject({ code: 0 });
    expect(refreshed.out + refreshed.err).not.toContain(refreshToken);
  });

  it("ends with exit code 1 if the server rejects the request, with the server's error and without the secret", async () => {
    const wrong = { ...env, HARDPROOF_CLIENT_SECRET: "not the secret" };
    const { code, out, err } = await run(["token", "--issuer", as.issuer], { env: wrong });
    expect({ code, out }).toEqual({ code: 1, out: "" });
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain("invalid_client");
    expect(err).not.toContain("not the secret");
    const json = await run(["token", "--issuer", as.issuer, "--json"], { env: wrong });
    expect(JSON.parse(json.out).error).toMatchObject({ code: "refused", error: "invalid_client", statusCode: 401 });
  });

  it("ends with exit code 4 if the server can't be reached", async () => {
    const { code, err } = await run(["token", "--base-url", await closedOrigin()], { env });
    expect(code).toBe(4);
    expect(err).toSatisfy(isOneLine);
  });

  it.each([
    [["token"], "Pass the authorization server"],
    [
      ["token", "--issuer", "https://a.example", "--base-url", "https://b.example"],
      "Use only one of --issuer and --base-url",
    ],
    [["token", "--base-url", "http://a.example"], "is not https"],
    [["token", "--base-url", "https://a.example", "--grant", "refresh_token"], "Pass the refresh token"],
  ])("ends with exit code 2 for an invalid command line: %j", async (args, problem) => {
    const { code, err } = await run(args, { env });
    expect(code).toBe(2);
    expect(err).toContain(problem);
  });
});

describe("hardproof fetch", () => {
  let accessToken: string;
  beforeAll(async () => {
    accessToken = (await run(["token", "--issuer", as.issuer], { env })).out.trim();
  });
  const withToken = () => ({ env: { ...env, TOKEN: accessToken } });

  it.each(["url", "expressUrl"] as const)(
    "calls %s with a token from the environment, and answers a nonce challenge",
    async (route) => {
      const { code, out } = await run(["fetch", rs[route], "--token-env", "TOKEN"], withToken());
      expect(code).toBe(0);
      expect(JSON.parse(out)).toMatchObject({ hello: as.client.clientId, jkt });
    },
  );

  it("requests a token with the same options as `token`", async () => {
    const { code, out } = await run(["fetch", rs.url, "--issuer", as.issuer], { env });
    expect(code).toBe(0);
    expect(JSON.parse(out).jkt).toBe(jkt);
  });

  it("sends method, headers and body as curl does", async () => {
    const args = [
      "fetch",
      rs.url,
      "--token",
      "-",
      "-H",
      "X-Custom: a b",
      "-H",
      "content-type: text/plain",
      "-d",
      "hello",
    ];
    expect(await run(args, { ...withToken(), stdin: accessToken })).toMatchObject({ code: 0 });
    const request = rs.requests.at(-1);
    expect(request).toMatchObject({ method: "POST", body: "hello" });
    expect(request?.headers).toMatchObject({ "x-custom": "a b", "content-type": "text/plain" });
  });

  it("sends a file or standard input as the body", async () => {
    const file = join(directory, "body");
    writeFileSync(file, "from a file");
    await run(["fetch", rs.url, "--token-env", "TOKEN", "-X", "PUT", "-d", `@${file}`], withToken());
    expect(rs.requests.at(-1)).toMatchObject({ method: "PUT", body: "from a file" });
    await run(["fetch", rs.url, "--token-env", "TOKEN", "-d", "@-"], { ...withToken(), stdin: "from standard input" });
    expect(rs.requests.at(-1)).toMatchObject({ method: "POST", body: "from standard input" });
    expect(rs.requests.at(-1)?.headers["content-type"]).toBe("application/x-www-form-urlencoded");
  });

  it.each(["@-", "@/dev/stdin"])("reads standard input for one option only, and not for the body %s", async (body) => {
    const { code, err } = await run(["fetch", rs.url, "--token", "-", "-d", body], {
      ...withToken(),
      stdin: accessToken,
    });
    expect(code).toBe(2);
    expect(err).toContain("one option only");
  });

  it("prints status and headers with -i, writes a file with -o, and prints both as JSON", async () => {
    const file = join(directory, "response");
    const included = await run(["fetch", rs.url, "--token-env", "TOKEN", "-i"], withToken());
    expect(included.out).toMatch(/^HTTP 200 OK\n(?:[\w-]+: .*\n)+\n\{/);
    expect(await run(["fetch", rs.url, "--token-env", "TOKEN", "-o", file], withToken())).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    expect(JSON.parse(readFileSync(file, "utf8")).jkt).toBe(jkt);
    const { out } = await run(["fetch", rs.url, "--token-env", "TOKEN", "--json"], withToken());
    expect(JSON.parse(out)).toMatchObject({ status: 200, body: expect.stringContaining(jkt) });
  });

  it("ends with exit code 0 for any response, and with 1 for an error status with --fail", async () => {
    const other = { env: { ...env, TOKEN: "opaque-and-unknown" } };
    expect(await run(["fetch", rs.url, "--token-env", "TOKEN"], other)).toMatchObject({ code: 0 });
    expect(await run(["fetch", rs.url, "--token-env", "TOKEN", "--fail"], other)).toMatchObject({ code: 1 });
  });

  it("writes bytes unchanged", async () => {
    const bytes = Buffer.from([0, 255, 27, 10, 13, 128]);
    const server = await loopbackServer();
    server.http.on("request", (_, res) => res.end(bytes));
    const file = join(directory, "bytes");
    await run(["fetch", server.origin, "--token-env", "TOKEN", "-o", file], withToken());
    expect(readFileSync(file)).toEqual(bytes);
    const { out } = await run(["fetch", server.origin, "--token-env", "TOKEN", "--json"], withToken());
    expect(JSON.parse(out).bodyBase64).toBe(bytes.toString("base64"));
    await server.close();
  });

  it.each<[string[], number, string]>([
    [["fetch", "/resource", "--token-env", "TOKEN"], 2, "must be absolute"],
    [["fetch", "http://api.example.com/", "--token-env", "TOKEN"], 2, "is not https"],
    [["fetch", "https://a.example", "--token-env", "TOKEN", "-H", "authorization: x"], 2, "Authorization"],
    [["fetch", "https://a.example", "--token-env", "TOKEN", "-X", "NO METHOD"], 2, "GET"],
    [["fetch", "https://a.example", "--token-env", "TOKEN", "-d", "@/nowhere"], 2, "ENOENT"],
  ])("ends %j with exit code %i", async (args, expected, problem) => {
    const { code, err } = await run(args, withToken());
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain(problem);
    expect(err).not.toContain(accessToken);
    expect(code).toBe(expected);
  });

  it("ends with exit code 4 if the server can't be reached", async () => {
    const { code, err } = await run(["fetch", await closedOrigin(), "--token-env", "TOKEN"], withToken());
    expect(code).toBe(4);
    expect(err).toMatch(/can't be reached \(ECONNREFUSED\)\. Check the URL's port, and that the server runs\.\n$/);
  });

  it("ends with exit code 2 if the output file can't be written", async () => {
    const { code, err } = await run(["fetch", rs.url, "--token-env", "TOKEN", "-o", "/nowhere/x"], withToken());
    expect(code).toBe(2);
    expect(err).toContain("ENOENT");
  });
});

describe("hardproof demo", () => {
  it("reports the binding, the accepted call and the rejected theft", async () => {
    const { code, out } = await run(["demo", "--json"], { env: { HARDPROOF_KEY: key } });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      jkt,
      cnfJkt: jkt,
      bound: true,
      called: { status: 200 },
      stolen: { status: 401 },
    });
  });

  it("creates a key in memory if no URI is set", async () => {
    const { code, out } = await run(["demo"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^call by thief +401 /m);
  });
});
