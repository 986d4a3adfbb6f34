/** Each wrong usage gets one line that names the thing, the cause and the next step, in the words of the command. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { closedOrigin } from "../../servers/loopback-server.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";
import { isOneLine, run } from "./run.js";
import { WRONG_USAGES } from "./wrong-usages.js";

/** Options, functions and terms that only programmers know. */
const LIBRARY_WORDS =
  /allowInsecure|baseUrl|clientAuth(?!,)|clientConfig|clientSecret|clockOffset|redirectUri|responseMode|requestObject|requireBinding|an array|scheme: "|redirect: "|accessToken|publicKey|libraryParameters|createKey|registerProvider|discover\(\)|the option (?!for )[a-z]|In code|undefined|\[object|\{ /;

const directory = mkdtempSync(join(tmpdir(), "hardproof-wrong-"));
const servers: StubServer[] = [];
const values: Record<string, string> = { DIR: directory };

beforeAll(async () => {
  writeFileSync(join(directory, "exists"), "text");
  writeFileSync(join(directory, "empty"), "");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(join(directory, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const server = await addServer("SERVER");
  server.respondWith(json(200, { issuer: server.origin, token_endpoint: `${server.origin}/token` }));
  writeFileSync(join(directory, "bearer"), "Bearer hunter2\n");
  (await addServer("BEARER")).respondWith(json(200, { access_token: "t", token_type: "Bearer" }));
  (await addServer("REDIRECTS")).respondWith((response) => {
    response.writeHead(302, { location: "https://other.example/" }).end();
  });
  (await addServer("REFUSES")).respondWith(json(401, { error: "invalid_client" }));
  (await addServer("HTML")).respondWith((response) => {
    response.writeHead(404, { "content-type": "text/html" }).end("<!DOCTYPE html>\n<title>Not found</title>");
  });
  values.CLOSED = await closedOrigin();
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  rmSync(directory, { recursive: true });
});

async function addServer(name: string): Promise<StubServer> {
  const server = await stubServer();
  servers.push(server);
  values[name] = server.origin;
  return server;
}

/** Splits a command line as a shell does, and replaces the variables. */
function argumentsOf(line: string): string[] {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? "");
  return words.map((word) => word.replace(/\$([A-Z]+)/g, (variable, name: string) => values[name] ?? variable));
}

it("are more than a hundred different ones", () => {
  expect(new Set(WRONG_USAGES.map(({ args, env }) => JSON.stringify([args, env]))).size).toBe(WRONG_USAGES.length);
  expect(WRONG_USAGES.length).toBeGreaterThan(100);
});

it.each(WRONG_USAGES)("hardproof $args", async ({ args, says, code = 2, env = {}, stdin = "" }) => {
  const result = await run(argumentsOf(args), { env: { ...env }, stdin });
  expect(result.err).toSatisfy(isOneLine);
  expect(result.err).toMatch(says);
  expect(result.err).not.toMatch(LIBRARY_WORDS);
  expect(result.err).not.toContain("hunter2");
  expect(result).toMatchObject({ code, out: "" });
});
