/** `hardproof introspect` and `hardproof revoke` with oidc-provider, and with a stub for what that server doesn't send. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientJwks, DPoPProver, OAuthClient, openSigner } from "hardproof";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-status-"));
const key = `file://${directory}/dpop.pem`;
const redirectUri = "http://127.0.0.1/callback";
let as: AuthorizationServer;
let stub: StubServer;
let jkt: string;
let env: Record<string, string>;
let prover: DPoPProver;
beforeAll(async () => {
  await run(["keygen", key]);
  const signer = await openSigner(key);
  prover = await DPoPProver.create(signer);
  ({ jkt } = prover);
  const jwks = await clientJwks(signer);
  const byKey = { ...confidential, client_id: "by-key", token_endpoint_auth_method: "private_key_jwt", jwks } as const;
  [as, stub] = await Promise.all([authorizationServer({ clients: [byKey] }), stubServer()]);
  env = { HARDPROOF_CLIENT_ID: as.client.clientId, HARDPROOF_CLIENT_SECRET: as.client.clientSecret };
});
afterAll(async () => {
  await prover.signer.close();
  await Promise.all([as.close(), stub.close()]);
  rmSync(directory, { recursive: true });
});

/** Returns a new refresh token. That of a public client is bound to the key (RFC 9449 §5). */
async function refreshTokenOf(credentials: { clientId: string; clientSecret?: string }): Promise<string> {
  const client = await OAuthClient.discover(as.issuer);
  const agent = { ...credentials, dpopProver: prover };
  const pending = await client.authorizationUrl({ ...agent, redirectUri, scope: "read" });
  const callback = await authorizeInBrowser(pending.url, redirectUri);
  const { refreshToken } = await client.authorizationCode(callback, { ...agent, ...pending });
  return refreshToken ?? expect.unreachable();
}

const asPublic = () => ["--issuer", as.issuer, "--client-id", as.clients.public.clientId];

describe("hardproof introspect", () => {
  it("prints that a token is active, and its claims", async () => {
    const TOKEN = await refreshTokenOf(as.client);
    const args = ["introspect", "--issuer", as.issuer, "--token-env", "TOKEN", "--token-type-hint", "refresh_token"];
    const { code, out, err } = await run(args, { env: { ...env, TOKEN } });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^active\n/);
    expect(out).toMatch(/^client_id +agent$/m);
    expect(out).toMatch(/^sub +alice$/m);
    expect(out).toMatch(/^exp +20\d\d-\d\d-\d\dT\S+Z \(\d{10}\)$/m);
    for (const secret of [TOKEN, as.client.clientSecret]) expect(out).not.toContain(secret);
    expect(new URLSearchParams(as.requests.at(-1)?.body).get("token_type_hint")).toBe("refresh_token");
  });

  it("compares the token's key with that of --key", async () => {
    const TOKEN = await refreshTokenOf(as.clients.public);
    const args = ["introspect", ...asPublic(), "--token-env", "TOKEN"];
    const bound = await run([...args, "--key", key], { env: { TOKEN } });
    expect(bound).toMatchObject({ code: 0, err: `bound to this key, ${jkt}\n` });
    expect(bound.out).toContain(jkt);
    const other = await run([...args, "--key", "memory:"], { env: { TOKEN } });
    expect(other.code).toBe(1);
    expect(other.out).toMatch(
      new RegExp(`^active\\n[\\s\\S]*^The token is bound to another key, ${jkt}\\. This key is`, "m"),
    );
    const document = JSON.parse((await run([...args, "--key", "memory:", "--json"], { env: { TOKEN } })).out);
    expect(document).toMatchObject({ active: true, cnfJkt: jkt, bound: false, claims: { active: true, sub: "alice" } });
    expect(document.jkt).not.toBe(jkt);
  });

  it("doesn't compare the key of HARDPROOF_KEY, or open it", async () => {
    const TOKEN = await refreshTokenOf(as.clients.public);
    const missing = `file://${directory}/missing.pem`;
    const args = ["introspect", ...asPublic(), "--token-env", "TOKEN", "--json"];
    const { code, out } = await run(args, { env: { TOKEN, HARDPROOF_KEY: missing } });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ active: true, cnfJkt: jkt, jkt: null, bound: null });
  });

  it("says so if the server doesn't report the token's key", async () => {
    const TOKEN = await refreshTokenOf(as.client);
    const args = ["introspect", "--issuer", as.issuer, "--token-env", "TOKEN", "--key", key];
    const { code, err } = await run(args, { env: { ...env, TOKEN } });
    expect(code).toBe(0);
    expect(err).toBe("The server doesn't report which key the token is bound to.\n");
  });

  it("ends with exit code 1 for a token that isn't active", async () => {
    const args = ["introspect", "--issuer", as.issuer, "--token", "-", "--key", key];
    const text = await run(args, { env, stdin: "unknown-token\n" });
    expect(text).toEqual({ code: 1, out: "inactive\n", err: "" });
    const document = await run([...args, "--json"], { env, stdin: "unknown-token" });
    expect(document.code).toBe(1);
    expect(JSON.parse(document.out)).toMatchObject({
      active: false,
      cnfJkt: null,
      bound: null,
      claims: { active: false },
    });
  });

  it.each(["HARDPROOF_KEY", "--key", "--client-key"])(
    "authenticates by the key of %s (private_key_jwt), and compares only that of --key",
    async (source) => {
      const args = ["introspect", "--issuer", as.issuer, "--client-id", "by-key", "--client-auth", "private_key_jwt"];
      const token = ["--token", "-", "--json"];
      const option = source.startsWith("--") ? [source, key] : [];
      const variables = { HARDPROOF_CLIENT_SECRET: "unused", ...(option.length === 0 && { HARDPROOF_KEY: key }) };
      const { code, out } = await run([...args, ...option, ...token], { env: variables, stdin: "unknown-token" });
      expect(code).toBe(1);
      expect(JSON.parse(out)).toMatchObject({ active: false, jkt: source === "--key" ? jkt : null });
    },
  );

  it("prints the server's text without control characters, and a time that isn't one as it is", async () => {
    const claims = { active: true, scope: "a\u001b[2Jb", exp: 1e300, aud: ["x", "y"], secret: "only with --json" };
    stub.respondWith(json(200, claims));
    const args = ["introspect", "--base-url", stub.origin, "--token", "-"];
    const { code, out } = await run(args, { env, stdin: "t0ken-value" });
    expect(code).toBe(0);
    expect(out).toBe('active\nscope          a [2Jb\nexp            1e+300\naud            ["x","y"]\n');
    const document = await run([...args, "--json"], { env, stdin: "t0ken-value" });
    expect(JSON.parse(document.out).claims).toEqual(claims);
  });

  it("ends with exit code 4 if the response lacks active", async () => {
    stub.respondWith(json(200, { scope: "read" }));
    const args = ["introspect", "--base-url", stub.origin, "--token", "-"];
    const { code, err } = await run(args, { env, stdin: "t0ken-value" });
    expect(code).toBe(4);
    expect(err).toSatisfy(isOneLine);
  });

  it("names the media type of a page that comes instead of the response", async () => {
    stub.respondWith((response) => response.setHeader("content-type", "text/html; charset=utf-8").end("<html></html>"));
    const args = ["introspect", "--base-url", stub.origin, "--token", "-"];
    const { code, err } = await run(args, { env, stdin: "t0ken-value" });
    expect(code).toBe(4);
    expect(err).toMatch(/isn't a JSON object \(it is text\/html\)\. Check the URL\.\n$/);
  });
});

describe("hardproof revoke", () => {
  it("revokes a token, which isn't active afterwards", async () => {
    const TOKEN = await refreshTokenOf(as.client);
    const file = join(directory, "token");
    writeFileSync(file, `${TOKEN}\n`);
    const args = ["--issuer", as.issuer, "--token-file", file];
    expect(await run(["introspect", ...args], { env })).toMatchObject({ code: 0 });
    const revoked = await run(["revoke", ...args], { env });
    expect(revoked).toEqual({ code: 0, out: "", err: "The token is revoked, or was unknown to the server.\n" });
    expect(await run(["introspect", ...args], { env })).toMatchObject({ code: 1, out: "inactive\n" });
  });

  it("succeeds for a token that the server doesn't know", async () => {
    const args = ["revoke", "--issuer", as.issuer, "--token", "-", "--json"];
    const { code, out, err } = await run(args, { env, stdin: "unknown-token" });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(JSON.parse(out)).toEqual({ revoked: true });
  });

  it("reports a server that refuses, without the token", async () => {
    stub.respondWith(json(400, { error: "unsupported_token_type", error_description: "not t0ken-value" }));
    const args = ["revoke", "--base-url", stub.origin, "--token", "-"];
    const { code, err } = await run(args, { env, stdin: "t0ken-value" });
    expect(code).toBe(1);
    expect(err).toContain("unsupported_token_type");
    expect(err).not.toContain("t0ken-value");
  });
});

describe.each(["introspect", "revoke"])("%s", (command) => {
  it.each<[string[], string]>([
    [[], "Pass the token with --token -, --token-env or --token-file."],
    [["--token", "hunter2"], "--token takes only -"],
    [["--token-env", "MISSING"], "The token: the environment variable MISSING is not set."],
    [["--token-env", "TOKEN", "--token-file", "x"], "Use only one of"],
    [["--token-env", "TOKEN", "--token-type-hint", "hunter2"], "--token-type-hint must be one of"],
    [["--token-env", "TOKEN"], "Pass the authorization server"],
    [["--token-env", "TOKEN", "--base-url", "https://a.example", "--client-auth", "private_key_jwt"], "HARDPROOF_KEY"],
    [["--token-env", "TOKEN", "--base-url", "https://a.example", "--profile", "fapi2"], "--profile needs"],
  ])("ends with exit code 2 for an invalid command line: %j", async (args, problem) => {
    const { code, err } = await run([command, ...args], { env: { ...env, TOKEN: "hunter2" } });
    expect(code).toBe(2);
    expect(err).toSatisfy(isOneLine);
    expect(err).toContain(problem);
    expect(err).not.toContain("hunter2");
  });
});
