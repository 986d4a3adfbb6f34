/** Metadata discovery, validation and caching (RFC 8414, OpenID Connect Discovery). */

import fc from "fast-check";
import { DPoPProver, OAuthClient, type OAuthError } from "hardproof";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { json, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
let path = 0;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
afterEach(() => void vi.useRealTimers());
afterAll(() => server.close());

/** Metadata is cached by issuer, so each test uses a new one. */
const newIssuer = () => `${server.origin}/tenant-${++path}`;
const metadata = (issuer: string, more: object = {}) => ({
  issuer,
  token_endpoint: `${issuer}/token`,
  token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
  dpop_signing_alg_values_supported: ["ES256", "EdDSA"],
  ...more,
});
const token = json(200, { access_token: "opaque" });
/** Serves the document at the well-known URL, and a token everywhere else. */
const serveMetadata = (document: object, headers = {}) =>
  server.respondWith((response, request, turn) =>
    (request.path.startsWith("/.well-known/") ? json(200, document, headers) : token)(response, request, turn),
  );
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const paths = () => server.requests.map(({ path }) => path);
const agent = () => ({ clientId: "my-agent", dpopProver: prover });

describe("RFC 8414 §3", () => {
  it("inserts the well-known part before the issuer's path", async () => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer));
    const client = await OAuthClient.discover(issuer);
    expect(client.metadata).toEqual(metadata(issuer));
    await client.clientCredentials(agent());
    const tenant = new URL(issuer).pathname;
    expect(paths()).toEqual([`/.well-known/oauth-authorization-server${tenant}`, `${tenant}/token`]);
  });

  it.each(["/", "/x", "x"])("rejects metadata whose issuer differs only by a trailing %j (§3.3)", async (more) => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer + more));
    expect(await errorOf(OAuthClient.discover(issuer))).toMatchObject({ code: "invalid-response" });
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    ["a closed connection", (response) => response.destroy(), "unreachable"],
    ["a missing response", () => void vi.advanceTimersByTime(10_000), "timeout"],
  ] as [string, Responder, string][])("ends after %s, without a second request", async (_, responder, code) => {
    server.respondWith(responder);
    if (code === "timeout") vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    expect(await errorOf(OAuthClient.discover(newIssuer()))).toMatchObject({ code });
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    { token_endpoint: 7 },
    { token_endpoint_auth_methods_supported: "client_secret_basic" },
    { dpop_signing_alg_values_supported: [7] },
    { mtls_endpoint_aliases: { token_endpoint: 7 } },
  ])("rejects metadata with a member of the wrong type: %j", async (more) => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer, more));
    expect(await errorOf(OAuthClient.discover(issuer))).toMatchObject({ code: "invalid-response" });
  });

  it.each([{ toString: 1, valueOf: 1 }, ["x"], null, 7])(
    "rejects metadata with the malformed issuer %j",
    async (other) => {
      const issuer = newIssuer();
      serveMetadata(metadata(issuer, { issuer: other }));
      expect(await errorOf(OAuthClient.discover(issuer))).toMatchObject({ code: "invalid-response" });
    },
  );

  it.each([
    { issuer: 7 },
    { token_endpoint: 7 },
    { token_endpoint_auth_methods_supported: "client_secret_basic" },
    { dpop_signing_alg_values_supported: "RS256 ES256" },
    { token_endpoint_auth_signing_alg_values_supported: [7] },
    { mtls_endpoint_aliases: "x" },
  ])("rejects a metadata option with a member of the wrong type: %j", (more) => {
    const invalid = { ...metadata(server.origin), ...more } as never;
    expect(() => new OAuthClient({ baseUrl: server.origin, metadata: invalid })).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.stringContaining(Object.keys(more)[0] ?? "") }),
    );
  });

  it("accepts only the exact issuer, whatever the document contains", async () => {
    const issuer = newIssuer();
    const near = fc.oneof(fc.string(), fc.jsonValue(), fc.webUrl(), fc.constant(issuer.toUpperCase()));
    const fetch = (document: object) => async () => Response.json(document);
    await fc.assert(
      fc.asyncProperty(near, async (other) => {
        fc.pre(other !== issuer);
        const request = OAuthClient.discover(issuer, { fetch: fetch({ ...metadata(issuer), issuer: other }) });
        expect(await errorOf(request)).toMatchObject({ code: "invalid-response" });
      }),
    );
  });
});

describe("the three places of metadata (RFC 8414 §3.1, §5, OpenID Connect Discovery §4.1)", () => {
  const places = (issuer: string) => {
    const tenant = new URL(issuer).pathname;
    return [
      `/.well-known/oauth-authorization-server${tenant}`,
      `${tenant}/.well-known/openid-configuration`,
      `/.well-known/openid-configuration${tenant}`,
    ];
  };
  const misses: [string, Responder, string, string][] = [
    ["status 404", json(404, { error: "not_found" }), "refused", "status 404 (not_found)"],
    ["status 503", json(503, {}), "refused", "status 503"],
    ["a redirect", (response) => response.writeHead(302, { location: "/x" }).end(), "redirect", "a redirect"],
    ["more than 1 MiB", (response) => response.end(Buffer.alloc(1024 * 1024 + 1, " ")), "too-large", "1 MiB"],
    ["a page", (response) => response.end("<html>"), "invalid-response", "status 200 with a body that isn't"],
    ["a JSON array", json(200, []), "invalid-response", "status 200 with a body that isn't"],
    ["another JSON object", json(200, { error: "x" }), "invalid-response", "a JSON object that isn't metadata"],
    ["an issuer that isn't a string", json(200, { issuer: 7 }), "invalid-response", "that isn't metadata"],
  ];

  it.each(misses)("requests the next place after %s", async (_, miss) => {
    for (const place of [1, 2]) {
      const issuer = newIssuer();
      server.respondWith((response, request, turn) =>
        (turn <= place ? miss : json(200, metadata(issuer)))(response, request, turn),
      );
      expect((await OAuthClient.discover(issuer)).metadata).toEqual(metadata(issuer));
      expect(paths()).toEqual(places(issuer).slice(0, place + 1));
    }
  });

  it.each(misses)("reports all three places after %s at each of them", async (_, miss, code, found) => {
    const issuer = newIssuer();
    server.respondWith(miss);
    const error = await errorOf(OAuthClient.discover(issuer));
    expect(error.code).toBe(code);
    for (const place of places(issuer)) expect(error.message).toContain(`${server.origin}${place} returned `);
    expect(error.message.split(found)).toHaveLength(4);
    expect(paths()).toEqual(places(issuer));
  });

  it("reports the code and the response of the first place that isn't simply missing", async () => {
    server.respondWith((response, request, turn) =>
      json(turn === 2 ? 503 : 404, turn === 2 ? { error: "busy" } : {})(response, request, turn),
    );
    expect(await errorOf(OAuthClient.discover(newIssuer()))).toMatchObject({
      code: "refused",
      statusCode: 503,
      error: "busy",
    });
  });

  it("requests two places for an issuer without a path", async () => {
    const requested: string[] = [];
    const fetch = async (url: unknown) => {
      requested.push(String(url));
      return new Response(null, { status: 404 });
    };
    await errorOf(OAuthClient.discover("https://auth.example.com/", { fetch }));
    expect(requested).toEqual([
      "https://auth.example.com/.well-known/oauth-authorization-server",
      "https://auth.example.com/.well-known/openid-configuration",
    ]);
  });

  it("doesn't repeat a page in the error", async () => {
    server.respondWith((response) => response.writeHead(404).end("<html>secret of a page"));
    expect((await errorOf(OAuthClient.discover(newIssuer()))).message).not.toContain("secret of a page");
  });

  it("handles an issuer of 40,000 slashes in linear time", async () => {
    const fetch = async () => new Response(null, { status: 404 });
    const time = async (count: number) => {
      const before = process.cpuUsage();
      const issuer = `https://auth.example.com/${"/".repeat(count)}x`;
      await errorOf(OAuthClient.discover(issuer, { fetch }));
      return process.cpuUsage(before).user;
    };
    await time(1000);
    // Quadratic time would be 1,600 times as long, several seconds.
    expect(await time(40_000)).toBeLessThan(Math.max(await time(1000), 5000) * 100);
  });
});

describe("endpoint URLs", () => {
  it.each([
    "http://auth.example.com",
    "ftp://auth.example.com",
    "auth.example.com",
    "https://a:b@auth.example.com",
    "https://auth.example.com?a=1",
    "https://auth.example.com#a",
    "",
  ])("rejects the issuer %j without a request", async (issuer) => {
    const fetch = vi.fn();
    expect(await errorOf(OAuthClient.discover(issuer, { fetch }))).toMatchObject({ code: "misconfigured" });
    expect(fetch).not.toHaveBeenCalled();
  });

  it.each(["token_endpoint", "revocation_endpoint", "introspection_endpoint", "authorization_endpoint"])(
    "rejects metadata whose %s isn't https, unless allowInsecure is set",
    async (name) => {
      const issuer = newIssuer();
      serveMetadata(metadata(issuer, { [name]: "http://auth.example.com/x" }));
      expect(await errorOf(OAuthClient.discover(issuer))).toMatchObject({ code: "misconfigured" });
      expect(await OAuthClient.discover(issuer, { allowInsecure: true })).toBeInstanceOf(OAuthClient);
    },
  );

  it("requires an endpoint that the metadata lacks to be set by the endpoints option", async () => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer));
    const client = await OAuthClient.discover(issuer);
    const error = await errorOf(client.revoke({ clientId: "my-agent", token: "x" }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("revocation_endpoint") });
    const endpoints = { revocation: `${issuer}/away` };
    await (await OAuthClient.discover(issuer, { endpoints })).revoke({ clientId: "my-agent", token: "x" });
    expect(paths().at(-1)).toBe(`${new URL(issuer).pathname}/away`);
  });
});

describe("RFC 9449 §5.1", () => {
  it.each([[["RS256"]], [[]]])(
    "sends nothing with an ES256 key to a server that supports only proofs by %j",
    async (algorithms) => {
      const issuer = newIssuer();
      serveMetadata(metadata(issuer, { dpop_signing_alg_values_supported: algorithms }));
      const client = await OAuthClient.discover(issuer);
      const before = paths().length;
      const error = await errorOf(
        client.clientCredentials({ clientId: "agent", dpopProver: await DPoPProver.generate() }),
      );
      expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("ES256") });
      expect(paths()).toHaveLength(before);
    },
  );
});

describe("client authentication by metadata (RFC 8414 §2)", () => {
  const authOf = async (methods: string[] | undefined, clientAuth?: "client_secret_post") => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer, { token_endpoint_auth_methods_supported: methods }));
    const client = await OAuthClient.discover(issuer, { clientAuth });
    await client.clientCredentials({ ...agent(), clientSecret: "s3cret" });
    return server.requests.at(-1)?.headers.authorization === undefined ? "post" : "basic";
  };

  it("prefers client_secret_basic, and uses client_secret_post if the server lists only that", async () => {
    expect(await authOf(["client_secret_basic", "client_secret_post"])).toBe("basic");
    expect(await authOf(["client_secret_post"])).toBe("post");
    expect(await authOf(undefined)).toBe("basic");
  });

  it("doesn't send a secret by a method that the server doesn't support", async () => {
    expect(await errorOf(authOf(["private_key_jwt"]))).toMatchObject({ code: "misconfigured" });
    expect(await errorOf(authOf(["client_secret_basic"], "client_secret_post"))).toMatchObject({
      code: "misconfigured",
    });
    expect(paths()).toHaveLength(1);
  });
});

describe("the metadata cache", () => {
  const requestCount = () => server.requests.length;

  it("requests metadata once for concurrent and later callers", async () => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer));
    await Promise.all([OAuthClient.discover(issuer), OAuthClient.discover(issuer)]);
    await OAuthClient.discover(issuer);
    expect(requestCount()).toBe(1);
  });

  it.each([
    ["max-age=60", 59, 61],
    ["public, MAX-AGE=60, must-revalidate", 59, 61],
    [undefined, 3599, 3601],
    ["max-age=31536000", 24 * 3600 - 1, 24 * 3600 + 1],
  ])("with Cache-Control %j, caches metadata for %d seconds but not for %d", async (value, cached, expired) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const issuer = newIssuer();
    serveMetadata(metadata(issuer), value === undefined ? {} : { "cache-control": value });
    await OAuthClient.discover(issuer);
    vi.advanceTimersByTime(cached * 1000);
    await OAuthClient.discover(issuer);
    expect(requestCount()).toBe(1);
    vi.advanceTimersByTime((expired - cached) * 1000);
    await OAuthClient.discover(issuer);
    expect(requestCount()).toBe(2);
  });

  it.each(["no-store", "no-cache", "max-age=0"])("doesn't cache metadata with Cache-Control %s", async (value) => {
    const issuer = newIssuer();
    serveMetadata(metadata(issuer), { "cache-control": value });
    await OAuthClient.discover(issuer);
    await OAuthClient.discover(issuer);
    expect(requestCount()).toBe(2);
  });

  it("freezes cached metadata at every level, since clients share it", async () => {
    const issuer = newIssuer();
    const more = { mtls_endpoint_aliases: { token_endpoint: `${issuer}/mtls` }, x: [[{ y: 1 }]] };
    serveMetadata(metadata(issuer, more));
    const { metadata: shared } = await OAuthClient.discover(issuer);
    const change = (object: unknown, name: string) => () => Object.assign(Object(object), { [name]: "changed" });
    expect(change(shared, "token_endpoint")).toThrow(TypeError);
    expect(change(shared?.mtls_endpoint_aliases, "token_endpoint")).toThrow(TypeError);
    expect(change(shared?.token_endpoint_auth_methods_supported, "0")).toThrow(TypeError);
    expect(change(Object(shared?.x)[0][0], "y")).toThrow(TypeError);
    expect((await OAuthClient.discover(issuer)).metadata).toEqual(metadata(issuer, more));
    expect(requestCount()).toBe(1);
  });

  it("accepts metadata that is nested as deeply as 1 MiB allows", async () => {
    const issuer = newIssuer();
    const deep = `${"[".repeat(400_000)}${"]".repeat(400_000)}`;
    server.respondWith((response) =>
      response.end(JSON.stringify({ ...metadata(issuer), x: 0 }).replace('"x":0', `"x":${deep}`)),
    );
    expect((await OAuthClient.discover(issuer)).issuer).toBe(issuer);
  });

  it("doesn't cache a failure, and continues a request after one caller has aborted", async () => {
    const issuer = newIssuer();
    server.respondWith(json(500, {}));
    await errorOf(OAuthClient.discover(issuer));
    const controller = new AbortController();
    server.respondWith((response, request, turn) => {
      controller.abort();
      json(200, metadata(issuer))(response, request, turn);
    });
    const patient = OAuthClient.discover(issuer);
    expect(await errorOf(OAuthClient.discover(issuer, { signal: controller.signal }))).toMatchObject({
      code: "aborted",
    });
    expect((await patient).metadata?.issuer).toBe(issuer);
    expect(requestCount()).toBe(1);
  });
});

describe("callers that share one metadata request", () => {
  const receivedRequests = async (count: number) => {
    while (server.requests.length < count) await new Promise(setImmediate);
  };

  it("gives each caller of a shared metadata request its own time limit", async () => {
    const issuer = newIssuer();
    let respond = () => {};
    server.respondWith((response, request, turn) => {
      respond = () => json(200, metadata(issuer))(response, request, turn);
    });
    const first = errorOf(OAuthClient.discover(issuer, { timeout: 20 }));
    const patient = OAuthClient.discover(issuer, { timeout: 100_000 });
    const later = errorOf(OAuthClient.discover(issuer, { timeout: 20 }));
    expect([await first, await later]).toMatchObject([{ code: "timeout" }, { code: "timeout" }]);
    await receivedRequests(1);
    respond();
    expect((await patient).metadata?.issuer).toBe(issuer);
    expect(server.requests).toHaveLength(1);
  });

  it("aborts a shared metadata request when its last caller aborts, and starts a new one for the next caller", async () => {
    const issuer = newIssuer();
    const closed = new Promise<void>((resolve) => {
      server.respondWith((response) => response.once("close", resolve));
    });
    const controller = new AbortController();
    const { signal } = controller;
    const both = [OAuthClient.discover(issuer, { signal }), OAuthClient.discover(issuer, { signal })].map(errorOf);
    await receivedRequests(1);
    controller.abort();
    expect(await Promise.all(both)).toMatchObject([{ code: "aborted" }, { code: "aborted" }]);
    await closed;
    serveMetadata(metadata(issuer));
    expect((await OAuthClient.discover(issuer)).metadata?.issuer).toBe(issuer);
  });
});

it("takes its issuer from discovery, from the issuer option or from the base URL", async () => {
  const issuer = newIssuer();
  serveMetadata(metadata(issuer));
  expect((await OAuthClient.discover(issuer)).issuer).toBe(issuer);
  const baseUrl = "https://auth.example.com/tenant/";
  expect(new OAuthClient({ baseUrl }).issuer).toBe("https://auth.example.com/tenant");
  expect(new OAuthClient({ baseUrl, issuer: "https://example.com" }).issuer).toBe("https://example.com");
});

describe("with oidc-provider", () => {
  let as: AuthorizationServer;
  beforeAll(async () => {
    as = await authorizationServer();
  });
  afterAll(() => as.close());

  it("discovers every endpoint of oidc-provider that the client uses", async () => {
    const { metadata } = await OAuthClient.discover(as.issuer);
    expect(metadata).toMatchObject({
      issuer: as.issuer,
      token_endpoint: as.tokenEndpoint,
      pushed_authorization_request_endpoint: `${as.issuer}/oauth/par`,
      device_authorization_endpoint: `${as.issuer}/oauth/device`,
      revocation_endpoint: `${as.issuer}/oauth/revoke`,
      introspection_endpoint: `${as.issuer}/oauth/introspect`,
    });
  });

  it("gets a token from the default paths without discovery", async () => {
    const token = await new OAuthClient({ baseUrl: as.issuer }).clientCredentials({ ...as.client, dpopProver: prover });
    expect(token.cnfJkt).toBe(prover.jkt);
  });
});
