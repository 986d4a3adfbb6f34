/** Endpoints that a server's metadata names: how far their hosts are away, compared with the issuer's. */
import fc from "fast-check";
import { DPoPProver, OAuthClient, type OAuthError, type ServerMetadata } from "hardproof";
import { describe, expect, it } from "vitest";
import { hostReach } from "../../../src/oauth/host-reach.js";

const hostOf = (address: string) => new URL(`https://${address}/`).hostname;
const fetchMetadata = (metadata: object) => async () => Response.json(metadata);
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
/** Each test uses a new `fetch`, and with it a new cache. */
const discover = (issuer: string, more: object, options: object = {}) =>
  OAuthClient.discover(issuer, { fetch: fetchMetadata({ issuer, ...more }), ...options });

describe("hostReach", () => {
  it.each([
    ["localhost", "loopback"],
    ["LOCALHOST.", "loopback"],
    ["agent.localhost", "loopback"],
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["0x7f.1", "loopback"],
    ["2130706433", "loopback"],
    ["0.0.0.0", "loopback"],
    ["[::1]", "loopback"],
    ["[::]", "loopback"],
    ["[::ffff:127.0.0.1]", "loopback"],
    ["10.0.0.1", "private"],
    ["100.64.0.1", "private"],
    ["169.254.169.254", "private"],
    ["172.31.255.255", "private"],
    ["192.168.1.1", "private"],
    ["198.19.0.1", "private"],
    ["224.0.0.1", "private"],
    ["255.255.255.255", "private"],
    ["[fc00::1]", "private"],
    ["[fd12:3456::1]", "private"],
    ["[fe80::1]", "private"],
    ["[fec0::1]", "private"],
    ["[ff02::1]", "private"],
    ["[::7f00:1]", "private"],
    ["[64:ff9b::7f00:1]", "private"],
    ["[2002:7f00:1::]", "private"],
    ["[::ffff:10.0.0.1]", "private"],
    ["[::ffff:192.168.0.1]", "private"],
    ["auth.example.com", "public"],
    ["localhost.example.com", "public"],
    ["notlocalhost", "public"],
    ["127.0.0.1.example.com", "public"],
    ["8.8.8.8", "public"],
    ["11.0.0.1", "public"],
    ["172.32.0.1", "public"],
    ["223.255.255.255", "public"],
    ["[2606:4700::1111]", "public"],
    ["[::ffff:8.8.8.8]", "public"],
  ])("says that %s is %s", (host, expected) => {
    expect(hostReach(hostOf(host))).toBe(expected);
  });

  it("says the same of an IPv4 address in every notation", () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        const expected = hostReach(address);
        const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
        for (const notation of [`${number}`, `0x${number.toString(16)}`, `[::ffff:${address}]`, `${address}.`])
          expect(hostReach(hostOf(notation))).toBe(expected);
      }),
    );
  });
});

describe("metadata of a public issuer", () => {
  const issuer = "https://auth.example.com";
  const names = ["token_endpoint", "authorization_endpoint", "introspection_endpoint", "registration_endpoint"];
  const endpoints = [
    "http://127.0.0.1:8080/token",
    "https://127.0.0.1/token",
    "https://localhost/token",
    "https://agent.localhost/token",
    "https://[::1]/token",
    "https://[::ffff:127.0.0.1]/token",
    "https://10.1.2.3/token",
    "https://169.254.169.254/token",
    "https://[fd00::1]/token",
  ];

  it.each(endpoints)("is rejected if it names %s, unless allowPrivateEndpoints is set", async (url) => {
    for (const name of names) {
      const error = await errorOf(discover(issuer, { [name]: url }));
      expect(error).toMatchObject({ code: "misconfigured" });
      expect(error.message).toContain(name);
      expect(error.message).toContain("allowPrivateEndpoints");
      expect(await discover(issuer, { [name]: url }, { allowPrivateEndpoints: true })).toBeInstanceOf(OAuthClient);
    }
  });

  it("is rejected if an alias for mutual TLS names a private host", async () => {
    const aliases = { mtls_endpoint_aliases: { token_endpoint: "https://10.0.0.1/token" } };
    const error = await errorOf(discover(issuer, aliases, { clientAuth: "tls_client_auth" }));
    expect(error).toMatchObject({ code: "misconfigured" });
  });

  it("is rejected if its keys for ID tokens are on a private host, when they are needed", async () => {
    const dpopProver = await DPoPProver.generate();
    const request = { clientId: "agent", dpopProver, redirectUri: "https://agent.example/", scope: "openid" };
    const metadata = { authorization_endpoint: `${issuer}/authorize`, jwks_uri: "https://10.1.2.3/jwks" };
    const client = await discover(issuer, metadata);
    expect(await errorOf(client.authorizationUrl(request))).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/jwks_uri.*allowPrivateEndpoints/),
    });
    const trusting = await discover(issuer, metadata, { allowPrivateEndpoints: true });
    expect((await trusting.authorizationUrl(request)).url).toContain(issuer);
  });

  it("is accepted as an option, since it is the caller's, unless allowPrivateEndpoints is false", () => {
    const metadata: ServerMetadata = { issuer, token_endpoint: "https://localhost/token" };
    const options = { baseUrl: issuer, metadata };
    expect(new OAuthClient(options)).toBeInstanceOf(OAuthClient);
    expect(() => new OAuthClient({ ...options, allowPrivateEndpoints: false })).toThrow("allowPrivateEndpoints");
  });

  it("is rejected if it names an http: endpoint elsewhere, unless allowInsecure is set", async () => {
    const metadata = { token_endpoint: "http://auth.example.com/token" };
    expect(await errorOf(discover(issuer, metadata, { allowPrivateEndpoints: true }))).toMatchObject({
      code: "misconfigured",
    });
    expect(await discover(issuer, metadata, { allowInsecure: true })).toBeInstanceOf(OAuthClient);
  });

  it("may name another public host, and the caller's own endpoints may be private", async () => {
    expect(await discover(issuer, { token_endpoint: "https://tokens.example.net/" })).toBeInstanceOf(OAuthClient);
    const endpoints = { token: "https://10.0.0.1/token" };
    expect(await discover(issuer, {}, { endpoints })).toBeInstanceOf(OAuthClient);
  });
});

describe("metadata of an issuer that isn't public", () => {
  it.each([
    ["https://10.0.0.1", "https://10.0.0.2/token", true],
    ["https://10.0.0.1", "https://auth.example.com/token", true],
    ["https://10.0.0.1", "https://localhost/token", false],
    ["https://localhost", "http://127.0.0.1:8080/token", true],
    ["http://127.0.0.1:8080", "https://192.168.0.1/token", true],
  ])("at %s may name only endpoints that are as far away: %s (%s)", async (issuer, url, isAccepted) => {
    const client = discover(issuer, { token_endpoint: url });
    if (isAccepted) expect(await client).toBeInstanceOf(OAuthClient);
    else expect(await errorOf(client)).toMatchObject({ code: "misconfigured" });
  });
});
