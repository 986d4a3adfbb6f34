/** How a server's metadata is found, believed and kept (RFC 8414, OpenID Connect Discovery). */

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

/** Metadata is kept by issuer: each test has its own. */
const newIssuer = () => `${server.origin}/tenant-${++path}`;
const metadata = (issuer: string, more: object = {}) => ({
  issuer,
  token_endpoint: `${issuer}/token`,
  token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
  dpop_signing_alg_values_supported: ["ES256", "EdDSA"],
  ...more,
});
const token = json(200, { access_token: "opaque" });
/** The document where RFC 8414 has it, a token everywhere else. */
const tell = (document: object, headers = {}) =>
  server.respondWith((response, request, turn) =>
    (request.path.startsWith("/.well-known/") ? json(200, document, headers) : token)(response, request, turn),
  );
const refused = (asking: Promise<unknown>): Promise<OAuthError> =>
  asking.then(
    () => expect.unreachable(),
    (error) => error,
  );
const asked = () => server.requests.map(({ path }) => path);
const who = () => ({ clientId: "my-agent", dpopProver: prover });

describe("RFC 8414 §3", () => {
  it("puts the well-known part before the issuer's path", async () => {
    const issuer = newIssuer();
    tell(metadata(issuer));
    const client = await OAuthClient.discover(issuer);
    expect(client.metadata).toEqual(metadata(issuer));
    await client.clientCredentials(who());
    const tenant = new URL(issuer).pathname;
    expect(asked()).toEqual([`/.well-known/oauth-authorization-server${tenant}`, `${tenant}/token`]);
  });

  it("goes on to OpenID's place, after the path, where there is no such document", async () => {
    const issuer = newIssuer();
    server.respondWith((response, request, turn) =>
      json(turn === 1 ? 404 : 200, turn === 1 ? {} : metadata(issuer))(response, request, turn),
    );
    await OAuthClient.discover(issuer);
    expect(asked()[1]).toBe(`${new URL(issuer).pathname}/.well-known/openid-configuration`);
  });

  it.each(["/", "/x", "x"])("refuses another issuer's metadata, if only by %j (§3.3)", async (more) => {
    const issuer = newIssuer();
    tell(metadata(issuer + more));
    expect(await refused(OAuthClient.discover(issuer))).toMatchObject({ code: "invalid-response" });
    expect(server.requests).toHaveLength(1);
  });

  it("takes what both places don't have as the server's no", async () => {
    server.respondWith(json(404, { error: "not_found" }));
    expect(await refused(OAuthClient.discover(newIssuer()))).toMatchObject({ code: "refused", statusCode: 404 });
    expect(server.requests).toHaveLength(2);
  });

  it.each([
    ["fails", json(503, {}), "refused"],
    ["redirects", (response) => response.writeHead(302, { location: "/elsewhere" }).end(), "redirect"],
    ["hangs up", (response) => response.destroy(), "unreachable"],
    ["sends over 1 MiB", (response) => response.end(Buffer.alloc(1024 * 1024 + 1, " ")), "too-large"],
    ["sends no JSON", (response) => response.end("<html>"), "invalid-response"],
    ["sends a list", json(200, []), "invalid-response"],
    ["says nothing", () => void vi.advanceTimersByTime(10_000), "timeout"],
  ] as [string, Responder, string][])(
    "gives up on a server that %s, at the first request",
    async (_, responder, code) => {
      server.respondWith(responder);
      if (code === "timeout") vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      expect(await refused(OAuthClient.discover(newIssuer()))).toMatchObject({ code });
      expect(server.requests).toHaveLength(1);
    },
  );

  it.each([
    { token_endpoint: 7 },
    { token_endpoint_auth_methods_supported: "client_secret_basic" },
    { dpop_signing_alg_values_supported: [7] },
    { mtls_endpoint_aliases: { token_endpoint: 7 } },
  ])("refuses metadata of the wrong type: %j", async (more) => {
    const issuer = newIssuer();
    tell(metadata(issuer, more));
    expect(await refused(OAuthClient.discover(issuer))).toMatchObject({ code: "invalid-response" });
  });

  it.each([{ toString: 1, valueOf: 1 }, ["x"], null, 7])("refuses the issuer %j, as a typed error", async (other) => {
    const issuer = newIssuer();
    tell(metadata(issuer, { issuer: other }));
    expect(await refused(OAuthClient.discover(issuer))).toMatchObject({ code: "invalid-response" });
  });

  it.each([
    { issuer: 7 },
    { token_endpoint: 7 },
    { token_endpoint_auth_methods_supported: "client_secret_basic" },
    { dpop_signing_alg_values_supported: "RS256 ES256" },
    { token_endpoint_auth_signing_alg_values_supported: [7] },
    { mtls_endpoint_aliases: "x" },
  ])("refuses metadata of the wrong type that is given by hand: %j", (more) => {
    const given = { ...metadata(server.origin), ...more } as never;
    expect(() => new OAuthClient({ baseUrl: server.origin, metadata: given })).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.stringContaining(Object.keys(more)[0] ?? "") }),
    );
  });

  it("never believes anything but the issuer itself", async () => {
    const issuer = newIssuer();
    const near = fc.oneof(fc.string(), fc.jsonValue(), fc.webUrl(), fc.constant(issuer.toUpperCase()));
    const fetch = (document: object) => async () => Response.json(document);
    await fc.assert(
      fc.asyncProperty(near, async (other) => {
        fc.pre(other !== issuer);
        const asking = OAuthClient.discover(issuer, { fetch: fetch({ ...metadata(issuer), issuer: other }) });
        expect(await refused(asking)).toMatchObject({ code: "invalid-response" });
      }),
    );
  });
});

describe("where a secret may go", () => {
  it.each([
    "http://auth.example.com",
    "ftp://auth.example.com",
    "auth.example.com",
    "https://a:b@auth.example.com",
    "https://auth.example.com?a=1",
    "https://auth.example.com#a",
    "",
  ])("asks nothing of the issuer %j", async (issuer) => {
    const fetch = vi.fn();
    expect(await refused(OAuthClient.discover(issuer, { fetch }))).toMatchObject({ code: "misconfigured" });
    expect(fetch).not.toHaveBeenCalled();
  });

  it.each(["token_endpoint", "revocation_endpoint", "introspection_endpoint", "authorization_endpoint"])(
    "refuses a %s that is not https",
    async (name) => {
      const issuer = newIssuer();
      tell(metadata(issuer, { [name]: "http://auth.example.com/x" }));
      expect(await refused(OAuthClient.discover(issuer))).toMatchObject({ code: "misconfigured" });
      expect(await OAuthClient.discover(issuer, { allowInsecure: true })).toBeInstanceOf(OAuthClient);
    },
  );

  it("does not guess an endpoint that the metadata leaves out, and takes one by name", async () => {
    const issuer = newIssuer();
    tell(metadata(issuer));
    const client = await OAuthClient.discover(issuer);
    const error = await refused(client.revoke({ clientId: "my-agent", token: "x" }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("revocation_endpoint") });
    const endpoints = { revocation: `${issuer}/away` };
    await (await OAuthClient.discover(issuer, { endpoints })).revoke({ clientId: "my-agent", token: "x" });
    expect(asked().at(-1)).toBe(`${new URL(issuer).pathname}/away`);
  });
});

describe("RFC 9449 §5.1", () => {
  it.each([[["RS256"]], [[]]])("refuses a server whose proofs are by %j alone", async (algorithms) => {
    const issuer = newIssuer();
    tell(metadata(issuer, { dpop_signing_alg_values_supported: algorithms }));
    const error = await refused(OAuthClient.discover(issuer));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("ES256") });
  });
});

describe("client authentication by metadata (RFC 8414 §2)", () => {
  const authOf = async (methods: string[] | undefined, clientAuth?: "client_secret_post") => {
    const issuer = newIssuer();
    tell(metadata(issuer, { token_endpoint_auth_methods_supported: methods }));
    const client = await OAuthClient.discover(issuer, { clientAuth });
    await client.clientCredentials({ ...who(), clientSecret: "s3cret" });
    return server.requests.at(-1)?.headers.authorization === undefined ? "post" : "basic";
  };

  it("prefers client_secret_post, and takes client_secret_basic where that is all, or nothing is said", async () => {
    expect(await authOf(["client_secret_basic", "client_secret_post"])).toBe("post");
    expect(await authOf(["client_secret_basic"])).toBe("basic");
    expect(await authOf(undefined)).toBe("basic");
  });

  it("sends no secret where the server takes none like it", async () => {
    expect(await refused(authOf(["private_key_jwt"]))).toMatchObject({ code: "misconfigured" });
    expect(await refused(authOf(["client_secret_basic"], "client_secret_post"))).toMatchObject({
      code: "misconfigured",
    });
    expect(asked()).toHaveLength(1);
  });
});

describe("what is kept", () => {
  const documents = () => asked().length;

  it("is asked for once by callers at the same time, and by later ones", async () => {
    const issuer = newIssuer();
    tell(metadata(issuer));
    await Promise.all([OAuthClient.discover(issuer), OAuthClient.discover(issuer)]);
    await OAuthClient.discover(issuer);
    expect(documents()).toBe(1);
  });

  it.each([
    ["max-age=60", 59, 61],
    ["public, MAX-AGE=60, must-revalidate", 59, 61],
    [undefined, 3599, 3601],
    ["max-age=31536000", 24 * 3600 - 1, 24 * 3600 + 1],
  ])("with Cache-Control %j lasts %d seconds, and not %d", async (value, kept, gone) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const issuer = newIssuer();
    tell(metadata(issuer), value === undefined ? {} : { "cache-control": value });
    await OAuthClient.discover(issuer);
    vi.advanceTimersByTime(kept * 1000);
    await OAuthClient.discover(issuer);
    expect(documents()).toBe(1);
    vi.advanceTimersByTime((gone - kept) * 1000);
    await OAuthClient.discover(issuer);
    expect(documents()).toBe(2);
  });

  it.each(["no-store", "no-cache", "max-age=0"])("is nothing with Cache-Control %s", async (value) => {
    const issuer = newIssuer();
    tell(metadata(issuer), { "cache-control": value });
    await OAuthClient.discover(issuer);
    await OAuthClient.discover(issuer);
    expect(documents()).toBe(2);
  });

  it("can't be changed by one of those who share it, wherever in it", async () => {
    const issuer = newIssuer();
    const more = { mtls_endpoint_aliases: { token_endpoint: `${issuer}/mtls` }, x: [[{ y: 1 }]] };
    tell(metadata(issuer, more));
    const { metadata: found } = await OAuthClient.discover(issuer);
    const change = (object: unknown, name: string) => () => Object.assign(Object(object), { [name]: "changed" });
    expect(change(found, "token_endpoint")).toThrow(TypeError);
    expect(change(found?.mtls_endpoint_aliases, "token_endpoint")).toThrow(TypeError);
    expect(change(found?.token_endpoint_auth_methods_supported, "0")).toThrow(TypeError);
    expect(change(Object(found?.x)[0][0], "y")).toThrow(TypeError);
    expect((await OAuthClient.discover(issuer)).metadata).toEqual(metadata(issuer, more));
    expect(documents()).toBe(1);
  });

  it("may be as deep as 1 MiB can be", async () => {
    const issuer = newIssuer();
    const deep = `${"[".repeat(400_000)}${"]".repeat(400_000)}`;
    server.respondWith((response) =>
      response.end(JSON.stringify({ ...metadata(issuer), x: 0 }).replace('"x":0', `"x":${deep}`)),
    );
    expect((await OAuthClient.discover(issuer)).issuer).toBe(issuer);
  });

  it("is not a failure, nor the wait of a caller who gave up", async () => {
    const issuer = newIssuer();
    server.respondWith(json(500, {}));
    await refused(OAuthClient.discover(issuer));
    const controller = new AbortController();
    server.respondWith((response, request, turn) => {
      controller.abort();
      json(200, metadata(issuer))(response, request, turn);
    });
    const waits = OAuthClient.discover(issuer);
    expect(await refused(OAuthClient.discover(issuer, { signal: controller.signal }))).toMatchObject({
      code: "aborted",
    });
    expect((await waits).metadata?.issuer).toBe(issuer);
    expect(documents()).toBe(1);
  });
});

describe("callers who share one request", () => {
  const heardAll = async (count: number) => {
    while (server.requests.length < count) await new Promise(setImmediate);
  };

  it("each have their own time: a later one does not wait for the first, nor end with it", async () => {
    const issuer = newIssuer();
    let answer = () => {};
    server.respondWith((response, request, turn) => {
      answer = () => json(200, metadata(issuer))(response, request, turn);
    });
    const first = refused(OAuthClient.discover(issuer, { timeout: 20 }));
    const patient = OAuthClient.discover(issuer, { timeout: 100_000 });
    const later = refused(OAuthClient.discover(issuer, { timeout: 20 }));
    expect([await first, await later]).toMatchObject([{ code: "timeout" }, { code: "timeout" }]);
    await heardAll(1);
    answer();
    expect((await patient).metadata?.issuer).toBe(issuer);
    expect(server.requests).toHaveLength(1);
  });

  it("end it when the last of them has given up, and the next one asks anew", async () => {
    const issuer = newIssuer();
    const hungUp = new Promise<void>((resolve) => {
      server.respondWith((response) => response.once("close", resolve));
    });
    const controller = new AbortController();
    const { signal } = controller;
    const both = [OAuthClient.discover(issuer, { signal }), OAuthClient.discover(issuer, { signal })].map(refused);
    await heardAll(1);
    controller.abort();
    expect(await Promise.all(both)).toMatchObject([{ code: "aborted" }, { code: "aborted" }]);
    await hungUp;
    tell(metadata(issuer));
    expect((await OAuthClient.discover(issuer)).metadata?.issuer).toBe(issuer);
  });
});

it("a client names its server: by discovery, by what it was told, or by its base URL", async () => {
  const issuer = newIssuer();
  tell(metadata(issuer));
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

  it("finds every endpoint that this client knows", async () => {
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

  it("has the paths that are guessed without discovery", async () => {
    const token = await new OAuthClient({ baseUrl: as.issuer }).clientCredentials({ ...as.client, dpopProver: prover });
    expect(token.cnfJkt).toBe(prover.jkt);
  });
});
