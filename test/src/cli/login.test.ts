/** `--grant authorization_code` with oidc-provider and a scripted browser. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { clientJwks, openSigner } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Interruption } from "../../../src/cli/io.js";
import { browserCommand } from "../../../src/cli/login/open-browser.js";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser, postedForm } from "../../servers/browser.js";
import { closedOrigin, loopbackServer } from "../../servers/loopback-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { json, stubServer } from "../../servers/stub-server.js";
import { runWithUser } from "./login-user.js";
import { isOneLine, type RunOptions, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-login-"));
const key = `file://${directory}/dpop.pem`;
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));
let as: AuthorizationServer;
let rs: ResourceServer;
let jkt: string;
let env: Record<string, string>;
let byKey: Record<string, string>;
beforeAll(async () => {
  await run(["keygen", key]);
  await using signer = await openSigner(key);
  ({ jkt } = await signer.describe());
  const method = { token_endpoint_auth_method: "private_key_jwt", jwks: await clientJwks(signer) } as const;
  const withKey = { ...confidential, ...method };
  as = await authorizationServer({
    clients: [
      { ...withKey, client_id: "signing-agent", require_signed_request_object: true },
      {
        ...withKey,
        client_id: "many-callbacks",
        redirect_uris: ["http://localhost/callback", "http://[::1]/callback", "http://127.0.0.1/a/b?c=d"],
      },
    ],
  });
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  env = {
    HARDPROOF_KEY: key,
    HARDPROOF_CLIENT_ID: as.client.clientId,
    HARDPROOF_CLIENT_SECRET: as.client.clientSecret,
  };
  byKey = { HARDPROOF_KEY: key };
});
afterAll(async () => {
  await Promise.all([rs.close(), as.close()]);
  rmSync(directory, { recursive: true });
});
afterEach(() => void vi.restoreAllMocks());

const AUTHORIZATION_CODE = ["--grant", "authorization_code", "--login-timeout", "30", "--scope", "read"];
const withKey = (clientId: string) => ["--client-id", clientId, "--client-auth", "private_key_jwt"];

const token = (user: (url: string) => Promise<unknown>, args: readonly string[] = [], options: RunOptions = { env }) =>
  runWithUser(user, ["token", "--issuer", as.issuer, ...AUTHORIZATION_CODE, ...args], options);

const callbackOf = (url: string) => new URL(url).searchParams.get("redirect_uri") ?? expect.unreachable();
/** Returns the URL to which the server redirects the browser. */
const responseTo = (url: string, answer: "yes" | "no" = "yes") => authorizeInBrowser(url, callbackOf(url), { answer });
const logIn = async (url: string) => fetch(await responseTo(url));

const freePort = async () => new URL(await closedOrigin()).port;

describe("a login in the browser", () => {
  it("prints the token of the user, bound to the key, and nothing secret", async () => {
    let loginUrl = "";
    let code = "";
    const result = await token(
      async (url) => {
        loginUrl = url;
        const response = await responseTo(url);
        code = new URL(response).searchParams.get("code") ?? "";
        await fetch(response);
      },
      ["--scope", "openid read"],
    );
    expect(result.code).toBe(0);
    expect(decodeJwt(result.out.trim())).toMatchObject({ sub: "alice", cnf: { jkt }, scope: "read" });
    expect(result.err).toContain(`bound to ${jkt}\n`);
    expect(result.err).toContain("user alice\n");
    expect(code).not.toBe("");
    for (const secret of [code, as.client.clientSecret]) expect(result.out + result.err).not.toContain(secret);
    const { searchParams } = new URL(loginUrl);
    expect(searchParams.get("redirect_uri")).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
    expect(searchParams.get("code_challenge_method")).toBe("S256");
    expect(searchParams.get("dpop_jkt")).toBe(jkt);
  });

  it("prints the claims of the verified ID token as JSON, and the URL on standard error", async () => {
    const { code, out, err } = await token(logIn, ["--json", "--scope", "openid read"]);
    expect(code).toBe(0);
    const document = JSON.parse(out);
    expect(document).toMatchObject({
      tokenType: "DPoP",
      cnfJkt: jkt,
      cnfX5t: null,
      expiresAt: expect.any(Number),
      refreshToken: expect.any(String),
      idTokenClaims: { sub: "alice", iss: as.issuer },
      actors: [],
      issuedTokenType: null,
    });
    expect(document).not.toHaveProperty("raw");
    expect(out).not.toContain("id_token");
    expect(err).toMatch(/^Open this URL in a browser on this machine to log in: http\S+\n$/);
  });

  it("ends with exit code 1 and the server's error if the user refuses", async () => {
    const { code, err } = await token(async (url) => fetch(await responseTo(url, "no")));
    expect(code).toBe(1);
    expect(err).toMatch(/\nhardproof: .*access_denied.*refused by the user\n$/);
  });

  it("has the parameters of --extra in its authorization request, and not in the token request", async () => {
    let loginUrl = "";
    const user = (url: string) => {
      loginUrl = url;
      return logIn(url);
    };
    const extra = ["--extra", "prompt=consent", "--extra", "ui_locales=de=AT"];
    expect((await token(user, extra)).code).toBe(0);
    const { searchParams } = new URL(loginUrl);
    expect([searchParams.get("prompt"), searchParams.get("ui_locales")]).toEqual(["consent", "de=AT"]);
    const form = as.requests.findLast(({ body }) => body.includes("grant_type=authorization_code"))?.body;
    expect(new URLSearchParams(form).has("prompt")).toBe(false);
  });

  it.each(["prompt", "=consent", "a b=c"])("rejects --extra %s", async (value) => {
    const { code, err } = await token(logIn, ["--extra", value]);
    expect({ code, err }).toEqual({ code: 2, err: "hardproof: --extra must be name=value.\n" });
  });

  it("gives `fetch` its token too", async () => {
    const args = ["fetch", rs.url, "--issuer", as.issuer, ...AUTHORIZATION_CODE];
    const { code, out } = await runWithUser(logIn, args, { env });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ jkt });
  });

  it("pushes the request with --par", async () => {
    const port = await freePort();
    const redirectUri = `http://127.0.0.1:${port}/callback`;
    const user = async (url: string) => {
      expect([...new URL(url).searchParams.keys()]).toEqual(["client_id", "request_uri"]);
      await fetch(await authorizeInBrowser(url, redirectUri));
    };
    expect(await token(user, ["--par", "--redirect-port", port])).toMatchObject({ code: 0 });
  });

  it("signs the request with --sign-request, by the key of private_key_jwt", async () => {
    const port = await freePort();
    const user = async (url: string) => {
      const { searchParams } = new URL(url);
      expect([...searchParams.keys()]).toEqual(["client_id", "request"]);
      await fetch(await authorizeInBrowser(url, `http://127.0.0.1:${port}/callback`));
    };
    const args = ["--sign-request", "--redirect-port", port, ...withKey("signing-agent")];
    expect(await token(user, args, { env: byKey })).toMatchObject({ code: 0 });
  });

  it("pushes and signs the request if the server's metadata requires it", async () => {
    const provider = await stubServer();
    const { origin: issuer } = provider;
    const metadata = {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      pushed_authorization_request_endpoint: `${issuer}/par`,
      require_pushed_authorization_requests: true,
      require_signed_request_object: true,
    };
    provider.respondWith((response, recorded, turn) =>
      json(200, recorded.path === "/par" ? { request_uri: "urn:request:1" } : metadata)(response, recorded, turn),
    );
    const user = async () => {
      const pushed = provider.requests.at(-1)?.form.get("request") ?? expect.unreachable();
      const { redirect_uri, state } = decodeJwt<{ redirect_uri: string; state: string }>(pushed);
      await fetch(`${redirect_uri}?${new URLSearchParams({ error: "access_denied", state })}`);
    };
    const args = ["token", "--issuer", issuer, ...AUTHORIZATION_CODE, ...withKey("signing-agent")];
    expect(await runWithUser(user, args, { env: byKey })).toMatchObject({ code: 1 });
    await provider.close();
  });

  it("accepts a signed response with --response-mode jwt, and no other state in it", async () => {
    const user = async (url: string) => {
      const response = await responseTo(url);
      const unsigned = Buffer.from(JSON.stringify({ state: "another" })).toString("base64url");
      const forged = `${callbackOf(url)}?response=a.${unsigned}.b&state=${new URL(url).searchParams.get("state")}`;
      expect((await fetch(forged)).status).toBe(400);
      expect((await fetch(`${callbackOf(url)}?response=not-a-jwt`)).status).toBe(400);
      expect(new URL(response).searchParams.has("response")).toBe(true);
      await fetch(response);
    };
    expect(await token(user, ["--response-mode", "jwt"])).toMatchObject({ code: 0 });
  });

  it("rejects an unsigned response if a signed one was requested", async () => {
    const user = (url: string) => fetch(`${callbackOf(url)}?code=c&state=${new URL(url).searchParams.get("state")}`);
    const { code, err } = await token(user, ["--response-mode", "jwt"]);
    expect(code).toBe(4);
    expect(err).toContain("isn't signed");
  });
});

describe("the callback", () => {
  it("shows a page without scripts, that isn't cached and doesn't send a referrer", async () => {
    let page: Response | undefined;
    let html = "";
    await token(async (url) => {
      page = await logIn(url);
      html = await page.text();
    });
    expect(page?.status).toBe(200);
    expect(Object.fromEntries(page?.headers ?? [])).toMatchObject({
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "content-security-policy": expect.stringContaining("default-src 'none'"),
      "x-content-type-options": "nosniff",
      "content-type": "text/html; charset=utf-8",
    });
    expect(html).toContain("You can close this page");
    expect(html).not.toContain("<script");
  });

  it("refuses every request that isn't the response, without repeating it, and waits on", async () => {
    const seen: Record<string, number> = {};
    const user = async (url: string) => {
      const callback = callbackOf(url);
      const state = new URL(url).searchParams.get("state");
      const visit = async (name: string, target: string, init: RequestInit = {}) => {
        const response = await fetch(target, init);
        seen[name] = response.status;
        expect(await response.text()).not.toMatch(/hunter2|access_denied/);
        return response;
      };
      await visit("another state", `${callback}?code=hunter2&state=hunter2`);
      await visit("an error with another state", `${callback}?error=access_denied&state=hunter2`);
      await visit("no state", `${callback}?code=hunter2`);
      await visit("two states", `${callback}?code=hunter2&state=${state}&state=hunter2`);
      await visit("nothing", callback);
      await visit("another path", new URL(`/hunter2?state=${state}`, callback).href);
      await visit("an icon", new URL("/favicon.ico", callback).href);
      const posted = await visit("a form", `${callback}?state=${state}`, { method: "POST", body: "code=hunter2" });
      expect(posted.headers.get("allow")).toBe("GET");
      await visit("a HEAD request", `${callback}?state=${state}`, { method: "HEAD" });
      await logIn(url);
    };
    const { code, err } = await token(user);
    expect(seen).toEqual({
      "another state": 400,
      "an error with another state": 400,
      "no state": 400,
      "two states": 400,
      nothing: 400,
      "another path": 404,
      "an icon": 404,
      "a form": 405,
      "a HEAD request": 405,
    });
    expect(code).toBe(0);
    expect(err.match(/A request to the callback was refused/g)).toHaveLength(1);
    expect(err).not.toContain("hunter2");
  });

  it("answers a request whose target isn't a path with 404", async () => {
    let status: number | undefined;
    const user = async (url: string) => {
      const { hostname, port } = new URL(callbackOf(url));
      status = await new Promise((resolve, reject) => {
        const sent = request({ hostname, port, path: "http://[" }, (response) => resolve(response.statusCode));
        sent.on("error", reject).end();
      });
      await logIn(url);
    };
    expect(await token(user)).toMatchObject({ code: 0 });
    expect(status).toBe(404);
  });

  it("receives a posted form with --response-mode form_post, and only that", async () => {
    const seen: number[] = [];
    const user = async (url: string) => {
      const callback = callbackOf(url);
      const state = new URL(url).searchParams.get("state");
      seen.push((await fetch(`${callback}?code=c&state=${state}`)).status);
      const post = (body: string) => fetch(callback, { method: "POST", body });
      seen.push((await post(`code=c&state=another`)).status);
      seen.push((await post(`state=${state}&code=${"c".repeat(2 ** 17)}`)).status);
      const form = new URLSearchParams(await postedForm(url, callback));
      seen.push((await post(form.toString())).status);
    };
    expect(await token(user, ["--response-mode", "form_post"])).toMatchObject({ code: 0 });
    expect(seen).toEqual([405, 400, 413, 200]);
  });

  it("survives a browser that disconnects while it sends the form", async () => {
    const user = async (url: string) => {
      const { hostname, port, pathname } = new URL(callbackOf(url));
      await new Promise((resolve) => {
        const headers = { "content-length": "100" };
        const sent = request({ hostname, port, path: pathname, method: "POST", headers });
        sent.on("error", resolve);
        sent.write("state=", () => sent.destroy(new Error("disconnected")));
      });
      await fetch(callbackOf(url), {
        method: "POST",
        body: new URLSearchParams(await postedForm(url, callbackOf(url))),
      });
    };
    expect(await token(user, ["--response-mode", "form_post"])).toMatchObject({ code: 0 });
  });

  it("has the path and query of --redirect-uri, with a free port", async () => {
    const user = async (url: string) => {
      expect(callbackOf(url)).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/a\/b\?c=d$/);
      const response = await responseTo(url);
      expect(response).toContain("?c=d&code=");
      expect((await fetch(response)).status).toBe(200);
    };
    const args = ["--redirect-uri", "http://127.0.0.1/a/b?c=d", ...withKey("many-callbacks")];
    expect(await token(user, args, { env: byKey })).toMatchObject({ code: 0 });
  });

  it("keeps the spelling of --redirect-uri if it has a port", async () => {
    const redirectUri = `http://127.0.0.1:${await freePort()}`;
    const user = async (url: string) => {
      expect(callbackOf(url)).toBe(redirectUri);
      const state = new URL(url).searchParams.get("state");
      const refusal = new URLSearchParams({ error: "access_denied", state: state ?? "", iss: as.issuer });
      expect((await fetch(`${redirectUri}?${refusal}`)).status).toBe(200);
    };
    const { code, err } = await token(user, ["--redirect-uri", redirectUri]);
    expect(code).toBe(1);
    expect(err).toContain("access_denied");
  });

  it.skipIf(!hasIpv6)("on localhost is received on both addresses", async () => {
    const user = async (url: string) => {
      const { port, search } = new URL(await responseTo(url));
      expect((await fetch(`http://127.0.0.1:${port}/callback`)).status).toBe(400);
      expect((await fetch(`http://[::1]:${port}/callback${search}`)).status).toBe(200);
    };
    const args = ["--redirect-uri", "http://localhost/callback", ...withKey("many-callbacks")];
    expect(await token(user, args, { env: byKey })).toMatchObject({ code: 0 });
  });

  it.skipIf(!hasIpv6)("is on [::1] if the machine has no 127.0.0.1", async () => {
    withoutAddress("127.0.0.1");
    const user = async (url: string) => {
      expect(callbackOf(url)).toMatch(/^http:\/\/\[::1\]:\d+\/callback$/);
      await logIn(url);
    };
    expect(await token(user, withKey("many-callbacks"), { env: byKey })).toMatchObject({ code: 0 });
  });

  it("on localhost is received on 127.0.0.1 alone if the machine has no IPv6", async () => {
    withoutAddress("::1");
    const user = async (url: string) => {
      const { port, search } = new URL(await responseTo(url));
      expect((await fetch(`http://127.0.0.1:${port}/callback${search}`)).status).toBe(200);
    };
    const args = ["--redirect-uri", "http://localhost/callback", ...withKey("many-callbacks")];
    expect(await token(user, args, { env: byKey })).toMatchObject({ code: 0 });
  });

  /** Makes the system refuse this address, as if the machine didn't have it. */
  function withoutAddress(missing: string): void {
    const { listen } = Server.prototype;
    vi.spyOn(Server.prototype, "listen").mockImplementation(function (this: Server, ...args: unknown[]) {
      if (args[1] !== missing) return Reflect.apply(listen, this, args);
      queueMicrotask(() => this.emit("error", Object.assign(new Error("no such address"), { code: "EADDRNOTAVAIL" })));
      return this;
    });
  }
});

describe("the end of the wait", () => {
  it("is a clear error after --login-timeout, and the listener is closed", async () => {
    let callback = "";
    const user = async (url: string) => {
      callback = callbackOf(url);
    };
    const { code, out, err } = await token(user, ["--login-timeout", "0.2"]);
    expect({ code, out }).toEqual({ code: 4, out: "" });
    expect(err).toContain("didn't return to the callback within 0.2 seconds. Finish the login in the browser");
    await expect(fetch(callback)).rejects.toThrow();
    const json = await token(user, ["--login-timeout", "0.2", "--json"]);
    expect(JSON.parse(json.out).error).toMatchObject({ code: "timeout" });
  });

  it("is exit code 130 after Ctrl-C, and the listener is closed", async () => {
    const interruption = new AbortController();
    let callback = "";
    const user = async (url: string) => {
      callback = callbackOf(url);
      interruption.abort(new Interruption(130));
    };
    const { code, err } = await token(user, [], { env, signal: interruption.signal });
    expect(code).toBe(130);
    expect(err).toMatch(/\nhardproof: Interrupted\.\n$/);
    await expect(fetch(callback)).rejects.toThrow();
  });

  it.each<[string[], string]>([
    [["--redirect-uri", "https://hunter2.example/callback"], "--redirect-uri must be http: on 127.0.0.1"],
    [["--redirect-uri", "http://127.0.0.1.hunter2.example/"], "--redirect-uri must be http: on 127.0.0.1"],
    [["--redirect-uri", "http://127.0.0.1:99999/hunter2"], "--redirect-uri must be http: on 127.0.0.1"],
    [["--redirect-uri", "http://127.0.0.1:0/hunter2"], "--redirect-uri must be http: on 127.0.0.1"],
    [["--redirect-uri", "http://127.0.0.1/callback#hunter2"], "--redirect-uri must be http: on 127.0.0.1"],
    [["--redirect-uri", "http://localhost:1/hunter2", "--redirect-port", "2"], "not both"],
    [["--redirect-port", "65536"], "from 1 to 65535"],
    [["--redirect-port", "0"], "from 1 to 65535"],
    [["--redirect-port", "hunter2"], "from 1 to 65535"],
    [["--login-timeout", "hunter2"], "--login-timeout must be"],
    [["--response-mode", "fragment"], "--response-mode must be one of query, form_post"],
    [["--audience", "hunter2"], "--audience needs --grant token_exchange."],
    [["--grant", "client_credentials", "--no-browser"], "--no-browser needs --grant authorization_code."],
    [["--grant", "device_code", "--redirect-port", "1"], "--redirect-port needs --grant authorization_code."],
    [["--refresh-token-file", "hunter2"], "--refresh-token-file needs --grant refresh_token."],
  ])("comes at once for an invalid command line: %j", async (args, problem) => {
    const { code, err } = await token(async () => expect.unreachable(), args);
    expect(code).toBe(2);
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain(problem);
    expect(err).not.toContain("hunter2");
  });

  it("comes at once if the port is in use", async () => {
    const busy = await loopbackServer();
    const { port } = new URL(busy.origin);
    for (const host of ["127.0.0.1", "localhost"]) {
      const args = ["--redirect-uri", `http://${host}:${port}/callback`];
      const { code, err } = await token(async () => expect.unreachable(), args);
      expect(code).toBe(2);
      expect(err).toContain("can't listen for the callback (EADDRINUSE). Choose another port");
    }
    await busy.close();
  });
});

describe("the browser", () => {
  const record = join(directory, "browser-record");
  const program = join(directory, "browser");
  beforeAll(() => {
    writeFileSync(
      program,
      `#!/bin/sh\n{ echo "$#"; echo "$1"; env; } > '${record}.part'\nmv '${record}.part' '${record}'\n`,
    );
    chmodSync(program, 0o755);
  });
  afterEach(() => rmSync(record, { force: true }));

  it("is the program of BROWSER, which gets the URL as one argument and none of the secrets", async () => {
    let loginUrl = "";
    const user = async (url: string) => {
      loginUrl = url;
      await vi.waitFor(() => expect(existsSync(record)).toBe(true), 20_000);
      await logIn(url);
    };
    const result = await token(user, [], {
      env: { ...env, BROWSER: program, PATH: process.env.PATH ?? "", OTHER: "1" },
    });
    expect(result.code).toBe(0);
    const [count, argument, ...variables] = readFileSync(record, "utf8").split("\n");
    expect({ count, argument }).toEqual({ count: "1", argument: loginUrl });
    expect(variables).toContain("OTHER=1");
    expect(variables.join("\n")).not.toMatch(/HARDPROOF_/);
    expect(variables.join("\n")).not.toContain(as.client.clientSecret);
  });

  it("isn't opened with --no-browser", async () => {
    const result = await token(logIn, ["--no-browser"], { env: { ...env, BROWSER: program } });
    expect(result.code).toBe(0);
    expect(existsSync(record) || existsSync(`${record}.part`)).toBe(false);
  });

  it("may be missing", async () => {
    const { code, err } = await token(logIn, [], { env: { ...env, BROWSER: join(directory, "missing") } });
    expect(code).toBe(0);
    expect(err).not.toContain("missing");
  });

  it.each<[NodeJS.Platform, Record<string, string>, string[]]>([
    ["linux", { BROWSER: "/usr/bin/a browser", DISPLAY: ":0" }, ["/usr/bin/a browser"]],
    ["linux", { DISPLAY: ":0" }, ["xdg-open"]],
    ["linux", { WAYLAND_DISPLAY: "wayland-0" }, ["xdg-open"]],
    ["linux", {}, []],
    ["darwin", {}, ["open"]],
    ["win32", {}, ["rundll32", "url.dll,FileProtocolHandler"]],
  ])("is the one of the system on %s with %j", (platform, variables, expected) => {
    expect(browserCommand(variables, platform)).toEqual(expected);
  });
});
