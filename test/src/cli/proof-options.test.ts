/** `--htu` and `--clock-offset`: proofs for a server that sees another URL, or has another time, than this machine. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseHtuMapping } from "../../../src/cli/htu-mapping.js";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { type ReverseProxy, reverseProxy } from "../../servers/reverse-proxy.js";
import { json, stubServer } from "../../servers/stub-server.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-proofs-"));
const key = `file://${directory}/dpop.pem`;
const stub = await stubServer();
let as: AuthorizationServer;
let rs: ResourceServer;
let proxies: { as: ReverseProxy; rs: ReverseProxy };
let env: Record<string, string>;
beforeAll(async () => {
  await run(["keygen", key]);
  as = await authorizationServer();
  rs = await resourceServer({ issuer: as.issuer, audience: as.audience });
  proxies = { as: await reverseProxy(as.issuer), rs: await reverseProxy(rs.origin) };
  const { clientId, clientSecret } = as.client;
  env = { HARDPROOF_KEY: key, HARDPROOF_CLIENT_ID: clientId, HARDPROOF_CLIENT_SECRET: clientSecret };
});
afterAll(async () => {
  await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
  await Promise.all([rs.close(), as.close(), stub.close()]);
  rmSync(directory, { recursive: true });
});

const proofOf = async (...args: string[]) => decodeJwt((await run(["proof", "GET", ...args], { env })).out.trim());

describe("--htu", () => {
  it("reaches both servers of a call through proxies that change their origin", async () => {
    const server = ["--base-url", proxies.as.origin];
    const mappings = ["--htu", `${proxies.as.origin}=${as.issuer}`, "--htu", `${proxies.rs.origin}/=${rs.origin}/`];
    const resource = `${proxies.rs.origin}/resource`;
    expect(await run(["token", ...server, ...mappings], { env })).toMatchObject({ code: 0 });
    expect(await run(["fetch", resource, "--fail", ...server, ...mappings], { env })).toMatchObject({ code: 0 });
    const withoutSecond = await run(["fetch", resource, "--fail", ...server, ...mappings.slice(0, 2)], { env });
    expect(withoutSecond).toMatchObject({ code: 1, out: expect.stringContaining("htu") });
  });

  it("is named by the error if the server sees another URL", async () => {
    const { code, err } = await run(["token", "--base-url", proxies.as.origin], { env });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("pass the server's with --htu") });
  });

  it("signs what isn't a URL, and the URL of a proof", async () => {
    const mapping = ["--htu", "https://api.example.com=://api.example.com"];
    expect((await proofOf("https://api.example.com/vault?a=b#c", ...mapping)).htu).toBe("://api.example.com/vault");
    expect((await proofOf("https://api.example.com/vault?a=b#c")).htu).toBe("https://api.example.com/vault");
  });

  it.each([
    // requested, mapping, signed
    ["https://a.example/x", "https://a.example=http://10.0.0.1:8080", "http://10.0.0.1:8080/x"],
    ["https://a.example/x", "https://A.EXAMPLE:443/=http://b.example/", "http://b.example/x"],
    ["https://a.example/api/x", "https://a.example/api=http://b.example", "http://b.example/x"],
    ["https://a.example/api/x", "https://a.example/api/=http://b.example/v1/", "http://b.example/v1/x"],
    ["https://a.example/api", "https://a.example/api=http://b.example", "http://b.example/"],
    ["https://a.example/api", "https://a.example/api=http://b.example/v1", "http://b.example/v1"],
    ["https://a.example/api/", "https://a.example/api=http://b.example", "http://b.example/"],
    ["https://a.example", "https://a.example=http://B.example:80", "http://B.example:80/"],
    ["https://a.example/x", "https://a.example=http://b.example/x=y", "http://b.example/x=y/x"],
  ])("maps %s by %s to %s", (requested, mapping, signed) => {
    expect(parseHtuMapping(mapping)(new URL(requested))).toBe(signed);
  });

  it.each([
    ["https://a.example.evil/x", "https://a.example=http://b.example"],
    ["https://a.example/apiary", "https://a.example/api=http://b.example"],
    ["https://a.example/", "https://a.example/api=http://b.example"],
    ["http://a.example/x", "https://a.example=http://b.example"],
    ["https://a.example:8443/x", "https://a.example=http://b.example"],
  ])("leaves %s as it is with %s", (requested, mapping) => {
    const url = new URL(requested);
    expect(parseHtuMapping(mapping)(url)).toBe(url);
  });

  it("uses the first of several mappings that applies", () => {
    const first = parseHtuMapping("https://a.example/api=http://b.example");
    const both = parseHtuMapping("https://a.example=http://c.example", first);
    expect(both(new URL("https://a.example/api/x"))).toBe("http://b.example/x");
    expect(both(new URL("https://a.example/x"))).toBe("http://c.example/x");
  });

  it.each([
    "https://hunter2.example",
    "https://hunter2.example=",
    "=https://hunter2.example",
    "hunter2.example=https://b.example",
    "://hunter2=https://b.example",
    "https://user:hunter2@a.example=https://b.example",
    "https://hunter2.example?q=https://b.example",
    "https://a.example=https://hunter2.example?q",
    "https://a.example=https://hunter2.example#f",
    "https://a.example=hunter2 example",
    "https://[hunter2]=https://b.example",
    "ftp://hunter2.example=https://b.example",
  ])("ends with exit code 2 for %s, without repeating it", async (mapping) => {
    const { code, err } = await run(["token", "--base-url", stub.origin, "--htu", mapping], { env });
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("--htu must have the form FROM=TO") });
    expect(err).toSatisfy(isOneLine);
    expect(err).not.toContain("hunter2");
  });

  it("ends with exit code 2 if it doesn't apply to the URL of a proof", async () => {
    const args = ["proof", "GET", "https://a.example/x", "--htu", "https://b.example=https://c.example"];
    expect(await run(args, { env })).toMatchObject({ code: 2, err: expect.stringContaining("--htu doesn't apply") });
  });
});

describe("--clock-offset", () => {
  const now = () => Date.now() / 1000;

  it.each([
    ["90", 90],
    ["+90", 90],
    ["-90", -90],
    ["0", 0],
  ])("adds %s seconds to the time of a proof", async (option, seconds) => {
    const { iat = 0 } = await proofOf("https://a.example", "--clock-offset", option);
    expect(Math.abs(iat - now() - seconds)).toBeLessThan(30);
  });

  it("applies to the token request, its assertion, and the call", async () => {
    stub.respondWith(json(200, { access_token: "opaque", token_type: "DPoP" }));
    const byKey = ["--client-auth", "private_key_jwt", "--base-url", stub.origin, "--clock-offset", "-600"];
    expect(await run(["fetch", `${stub.origin}/api`, ...byKey], { env })).toMatchObject({ code: 0 });
    const jwts = stub.requests.flatMap(({ headers, form }) => [
      String(headers.dpop),
      ...form.getAll("client_assertion"),
    ]);
    expect(jwts).toHaveLength(3);
    for (const jwt of jwts) expect(Math.abs((decodeJwt(jwt).iat ?? 0) - now() + 600)).toBeLessThan(60);
  });

  it("is the time by which verify judges a proof", async () => {
    const { out: proof } = await run(["proof", "GET", "https://a.example", "--clock-offset", "3600"], { env });
    const verify = (...args: string[]) => run(["verify", proof.trim(), ...args]);
    expect(await verify()).toMatchObject({ code: 1, out: expect.stringMatching(/^✗ iat/m) });
    expect(await verify("--clock-offset", "3600")).toMatchObject({ code: 0 });
  });

  it("is named by the error if the server rejects the time and sends no Date", async () => {
    stub.respondWith((response, ...more) => {
      response.sendDate = false;
      json(400, { error: "invalid_request", error_description: "DPoP proof is not active" })(response, ...more);
    });
    const { code, err } = await run(["token", "--base-url", stub.origin], { env });
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("or pass --clock-offset: ") });
  });

  it.each(["hunter2", "1.5", "", "1e3", "--htu", "9999999999"])("ends with exit code 2 for %j", async (value) => {
    const { code, err } = await run(["token", "--base-url", stub.origin, "--clock-offset", value], { env });
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("--clock-offset must be a whole number") });
    expect(err).not.toContain("hunter2");
  });
});
