/** The option `--timeout`, what the command says while it waits, and what it says when the time is up. */
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { testServer } from "hardproof/testing";
import { afterAll, beforeAll, describe, expect, inject, it, vi } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";
import { installTarball } from "../../tarball.js";
import { startInTerminal } from "./process.js";
import { isOneLine, run } from "./run.js";

const installed = installTarball(inject("tarball"), ["graphene-pk11"]);
const command = join(installed.directory, "node_modules/.bin/hardproof");

const env = { HARDPROOF_KEY: "memory:", HARDPROOF_CLIENT_ID: "agent", HARDPROOF_CLIENT_SECRET: "s3cr3t", TOKEN: "t" };
const TOKEN = { access_token: "a", token_type: "DPoP" };
const NEXT_STEP = /did not (?:respond|end) within 200 ms\. Raise --timeout/;

/** Never responds to these paths. Sends a part of a body for /part. */
let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
  server.respondWith((response, { path }) => {
    if (path === "/part") response.writeHead(200, { "content-length": "1000" }).write("part of a body");
    if (path === "/complete") response.end("a body without a line break");
  });
});
afterAll(async () => {
  await server.close();
  installed.remove();
});

describe("a server that accepts and never responds", () => {
  it.each<[string, string[], string]>([
    ["the metadata", ["token", "--issuer", "ORIGIN/as"], "ORIGIN/.well-known/oauth-authorization-server/as"],
    ["a token", ["token", "--base-url", "ORIGIN"], "ORIGIN/oauth/token"],
    ["a token from an endpoint", ["token", "--token-endpoint", "ORIGIN/t?key=s3cr3t"], "ORIGIN/t"],
    ["a device code", ["token", "--base-url", "ORIGIN", "--grant", "device_code"], "ORIGIN/oauth/device"],
    ["introspection", ["introspect", "--base-url", "ORIGIN", "--token-env", "TOKEN"], "ORIGIN/oauth/introspect"],
    ["revocation", ["revoke", "--base-url", "ORIGIN", "--token-env", "TOKEN"], "ORIGIN/oauth/revoke"],
    ["registration", ["register", "--base-url", "ORIGIN"], "ORIGIN/oauth/register"],
    ["a resource", ["fetch", "ORIGIN/r", "--token-env", "TOKEN"], "The call of ORIGIN/r"],
    [
      "the rest of a response",
      ["fetch", "ORIGIN/part", "--token-env", "TOKEN", "-o", "/dev/null"],
      "The call of ORIGIN/part",
    ],
    [
      "the rest of a response as JSON",
      ["fetch", "ORIGIN/part", "--token-env", "TOKEN", "--json"],
      "The call of ORIGIN/part",
    ],
    ["the resource's metadata", ["fetch", "ORIGIN/r"], "ORIGIN/.well-known/oauth-protected-resource/r"],
  ])("ends the command with exit code 4, and the URL is named: %s", async (_, args, named) => {
    const at = (text: string) => text.replace("ORIGIN", server.origin);
    const { code, out, err } = await run([...args.map(at), "--timeout", "0.2"], { env });
    expect(code).toBe(4);
    const message = args.includes("--json") ? JSON.parse(out).error.message : err;
    expect(message).toContain(`${at(named)} did not`);
    expect(message).toMatch(NEXT_STEP);
    expect(message).not.toContain("s3cr3t");
    if (!args.includes("--json")) expect(err).toSatisfy(isOneLine);
  });

  it("fails the check of doctor", async () => {
    const { code, out } = await run(["doctor", "--server", server.origin, "--timeout", "0.2"], { env: {} });
    expect(code).toBe(1);
    expect(out).toMatch(/✗ clock +http\S+ did not respond within 200 ms\n.*raise --timeout/);
  });

  it("has the code timeout in the JSON document", async () => {
    const args = ["fetch", server.origin, "--token-env", "TOKEN", "--timeout", "0.2", "--json"];
    expect(JSON.parse((await run(args, { env })).out).error).toMatchObject({ code: "timeout" });
  });
});

it("a device authorization isn't ended by it: the user may take longer", async () => {
  const device = {
    device_code: "d",
    user_code: "U",
    verification_uri: "https://a.example/",
    expires_in: 60,
    interval: 2,
  };
  const slow = await stubServer();
  let polls = 0;
  slow.respondWith((response, request, turn) => {
    if (request.path === "/oauth/device") return json(200, device)(response, request, turn);
    polls += 1;
    const body = polls < 3 ? json(400, { error: "authorization_pending" }) : json(200, TOKEN);
    body(response, request, turn);
  });
  const args = ["token", "--base-url", slow.origin, "--grant", "device_code", "--timeout", "3"];
  const { code, out } = await run(args, { env });
  await slow.close();
  expect({ code, out, polls }).toEqual({ code: 0, out: "a\n", polls: 3 });
});

describe("a key store that doesn't respond", () => {
  it.each(["show", "keys", "keygen", "proof", "bench"])("ends %s with exit code 3", async (name) => {
    const uri = `vault://${new URL(server.origin).host}/transit/dpop?tls=off`;
    const args = name === "proof" ? [name, uri, "GET", "https://a.example/"] : [name, uri];
    vi.stubEnv("VAULT_TOKEN", "s3cr3t"); // which the provider reads
    const { code, err } = await run([...args, "--timeout", "0.2"], { env: {} }).finally(() => vi.unstubAllEnvs());
    expect(err).toMatch(/No response within 200 ms while .*\. Raise --timeout/);
    expect(code).toBe(3);
  });
});

describe("at a terminal", () => {
  const CLEAR = "\r\u001b[K";

  it("a line says what the command waits for, until there is something else to say", async () => {
    const args = ["token", "--base-url", server.origin, "--timeout", "3"];
    const { out, code } = await startInTerminal(command, args, 80, env).ended;
    expect(code).toBe(4);
    expect(out).toContain(`${CLEAR}Waiting for ${server.origin}/oauth/token${CLEAR}`);
    expect(stripVTControlCharacters(out)).toMatch(/hardproof: [^\r\n]*\r\n$/);
  });

  it("the line isn't longer than the terminal is wide", async () => {
    const args = ["fetch", `${server.origin}/${"long".repeat(50)}`, "--token-env", "TOKEN", "--timeout", "2"];
    const { out } = await startInTerminal(command, args, 40, env).ended;
    const line = out.split(CLEAR).find((text) => text.startsWith("Waiting for "));
    expect(line).toHaveLength(39);
  });

  it("the line doesn't overwrite a part of a response", async () => {
    const args = ["fetch", `${server.origin}/part`, "--token-env", "TOKEN", "--timeout", "3"];
    const { out } = await startInTerminal(command, args, 80, env).ended;
    expect(out).toMatch(/^part of a body\r\n/);
    expect(out).not.toContain("Waiting");
  });

  it("a response without a line break at its end gets one, but not in a pipe", async () => {
    const args = ["fetch", `${server.origin}/complete`, "--token-env", "TOKEN"];
    expect((await startInTerminal(command, args, 80, env).ended).out).toBe("a body without a line break\r\n");
    expect((await run(args, { env })).out).toBe("a body without a line break");
  });

  it("--json prints nothing but the document", async () => {
    const args = ["token", "--base-url", server.origin, "--timeout", "2", "--json"];
    expect(JSON.parse((await startInTerminal(command, args, 80, env).ended).out).error.code).toBe("timeout");
  });
});

it("without a terminal, nothing says what the command waits for", async () => {
  const { err } = await run(["token", "--base-url", server.origin, "--timeout", "2"], { env });
  expect(err).toSatisfy(isOneLine);
});

describe("--token-endpoint", () => {
  it("is where the token is requested, and nothing else is", async () => {
    const endpoint = await stubServer();
    endpoint.respondWith(json(200, TOKEN));
    const args = ["token", "--token-endpoint", `${endpoint.origin}/custom/token?tenant=1`];
    expect(await run(args, { env })).toMatchObject({ code: 0, out: "a\n" });
    expect(endpoint.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /custom/token?tenant=1"]);
    await endpoint.close();
  });

  it("gives fetch a token, whose resource isn't asked for its server", async () => {
    await using as = await testServer({ clientId: "agent" });
    const args = ["fetch", as.resource, "--token-endpoint", `${as.issuer}/oauth/token`];
    const { code, out } = await run(args, { env: { ...env, HARDPROOF_CLIENT_SECRET: as.client.clientSecret } });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toHaveProperty("jkt");
  });
});
