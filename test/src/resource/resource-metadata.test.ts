/** Metadata of protected resources (RFC 9728), from a URL and from a challenge. */
import fc from "fast-check";
import { fetchResourceMetadata, type OAuthError, type ResourceMetadataOptions } from "hardproof";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourceMetadataUrl } from "../../../src/oauth/well-known.js";
import { metadataParameter } from "../../../src/resource/resource-metadata.js";
import { errorOf } from "../../servers/stub-resource.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
beforeAll(async () => {
  server = await stubServer();
});
afterAll(() => server.close());

const WELL_KNOWN = "/.well-known/oauth-protected-resource";
const paths = () => server.requests.map(({ path }) => path);
const failure = (work: Promise<unknown>) => errorOf(work) as Promise<OAuthError>;

/** A response of a resource, as `fetch` returns it. */
function responseOf(url: string, challenge?: string): Response {
  const headers = challenge === undefined ? {} : { "www-authenticate": challenge };
  return Object.defineProperty(new Response("denied", { status: 401, headers }), "url", { value: url });
}

describe("the well-known URL (RFC 9728 §3.1)", () => {
  it.each([
    ["https://api.example.com", `https://api.example.com${WELL_KNOWN}`],
    ["https://api.example.com/", `https://api.example.com${WELL_KNOWN}`],
    ["https://api.example.com/a/b", `https://api.example.com${WELL_KNOWN}/a/b`],
    ["https://api.example.com/a/", `https://api.example.com${WELL_KNOWN}/a/`],
    ["https://api.example.com/a?x=1", `https://api.example.com${WELL_KNOWN}/a?x=1`],
    ["https://api.example.com/?x=1", `https://api.example.com${WELL_KNOWN}?x=1`],
    ["https://api.example.com:8443/a", `https://api.example.com:8443${WELL_KNOWN}/a`],
  ])("of %s is %s", (resource, expected) => {
    expect(resourceMetadataUrl(new URL(resource)).href).toBe(expected);
  });

  it("has the resource's origin, path and query, whatever they are", () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), (text) => {
        const resource = new URL(text);
        const url = resourceMetadataUrl(resource);
        expect(url.origin).toBe(resource.origin);
        expect(url.search).toBe(resource.search);
        expect(url.pathname.startsWith(WELL_KNOWN)).toBe(true);
        expect(url.pathname.slice(WELL_KNOWN.length) || "/").toBe(resource.pathname);
      }),
    );
  });
});

describe("the challenge's parameter (RFC 9728 §5.1)", () => {
  const url = "https://api.example.com/.well-known/oauth-protected-resource";
  it.each([
    [`Bearer resource_metadata="${url}"`, url],
    [`Bearer realm="x", resource_metadata="${url}", error="invalid_token"`, url],
    [`Basic realm="x", DPoP algs="ES256", RESOURCE_METADATA="${url}"`, url],
    [`Bearer resource_metadata="https://other.example/", DPoP resource_metadata="${url}"`, url],
    [`Bearer realm="resource_metadata=x"`, undefined],
    ["Negotiate YWJj", undefined],
    ["", undefined],
  ])("of %j is %j", (header, expected) => {
    expect(metadataParameter(header)).toBe(expected);
  });

  it("is found among other parameters of any scheme", () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    fc.assert(
      fc.property(
        token,
        fc.webUrl(),
        fc.array(fc.tuple(token, fc.string({ unit: "grapheme-ascii" }))),
        (scheme, value, others) => {
          const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;
          const unique = new Map(others.filter(([name]) => name !== "resource_metadata"));
          const parameters = [...unique, ["resource_metadata", value] as const].map(
            ([name, text]) => `${name}=${quoted(text)}`,
          );
          expect(metadataParameter(`${scheme} ${parameters.join(", ")}`)).toBe(value);
        },
      ),
    );
  });

  it("is read from any header without an exception", () => {
    const part = fc.constantFrom("Bearer ", "DPoP ", "resource_metadata", "=", '"', "\\", ",", " ", "https://x", "a");
    const header = fc
      .array(fc.oneof(part, fc.string({ maxLength: 3 })), { maxLength: 20 })
      .map((parts) => parts.join(""));
    fc.assert(
      fc.property(header, (text) => {
        expect(["string", "undefined"]).toContain(typeof metadataParameter(text));
      }),
    );
  });
});

describe("fetchResourceMetadata", () => {
  it("fetches the metadata from the resource's well-known URL and freezes it", async () => {
    const resource = `${server.origin}/api?v=1`;
    const document = {
      resource,
      authorization_servers: ["https://auth.example.com"],
      scopes_supported: ["read"],
      dpop_signing_alg_values_supported: ["ES256"],
      dpop_bound_access_tokens_required: true,
      resource_name: null,
      signed_metadata: "x.y.z",
      other: { nested: [1] },
    };
    server.respondWith(json(200, document));
    const metadata = await fetchResourceMetadata(resource);
    const { resource_name: _, ...members } = document;
    expect(metadata).toEqual(members);
    expect(paths()).toEqual([`${WELL_KNOWN}/api?v=1`]);
    expect(() => Object.assign(Object(metadata.other), { nested: 0 })).toThrow(TypeError);
    expect(() => Object.assign(metadata, { resource: "x" })).toThrow(TypeError);
  });

  it.each(["", "/"])("accepts an identifier without a path, with or without its slash: %j", async (end) => {
    server.respondWith(json(200, { resource: server.origin + end }));
    for (const target of [server.origin, `${server.origin}/`, new URL(server.origin)])
      expect((await fetchResourceMetadata(target)).resource).toBe(server.origin + end);
  });

  it.each(["/other", "/api/", "/ap", "/api?x=1", "/api#x", "/API", ""])(
    "rejects metadata of another resource: %j (§3.3)",
    async (path) => {
      server.respondWith(json(200, { resource: server.origin + path }));
      const error = await failure(fetchResourceMetadata(`${server.origin}/api`));
      expect(error).toMatchObject({ code: "invalid-response" });
      expect(error.message).toContain(JSON.stringify(server.origin + path));
    },
  );

  it("expects the identifier in the option resource, and requests its well-known URL", async () => {
    const resource = `${server.origin}/api`;
    server.respondWith(json(200, { resource }));
    const target = `${server.origin}/api/accounts/7`;
    expect((await fetchResourceMetadata(target, { resource })).resource).toBe(resource);
    expect((await fetchResourceMetadata(responseOf(target), { resource })).resource).toBe(resource);
    expect(paths()).toEqual([`${WELL_KNOWN}/api`, `${WELL_KNOWN}/api`]);
  });

  it.each([
    { resource: 7 },
    { authorization_servers: "https://auth.example.com" },
    { authorization_servers: [7] },
    { scopes_supported: "read" },
    { dpop_signing_alg_values_supported: [null] },
    { bearer_methods_supported: {} },
    { dpop_bound_access_tokens_required: "true" },
  ])("rejects metadata with a member of the wrong type: %j", async (more) => {
    server.respondWith(json(200, { resource: `${server.origin}/api`, ...more }));
    const error = await failure(fetchResourceMetadata(`${server.origin}/api`));
    expect(error).toMatchObject({ code: "invalid-response" });
    expect(error.message).toContain(Object.keys(more)[0]);
  });

  it.each([
    ["a 404", json(404, {}), "refused"],
    ["a redirect", (response) => response.writeHead(302, { location: "/x" }).end(), "redirect"],
    ["a page", (response) => response.end("<html>"), "invalid-response"],
    ["more than 1 MiB", (response) => response.end(Buffer.alloc(1024 * 1024 + 1, " ")), "too-large"],
    ["a closed connection", (response) => response.destroy(), "unreachable"],
  ] as [string, Parameters<StubServer["respondWith"]>[0], string][])(
    "reports %s with the URL that was requested",
    async (_, responder, code) => {
      server.respondWith(responder);
      const error = await failure(fetchResourceMetadata(`${server.origin}/api`));
      expect(error.code).toBe(code);
      expect(error.message).toContain(`${server.origin}${WELL_KNOWN}/api`);
      expect(server.requests).toHaveLength(1);
    },
  );

  it("ends when the time is up or the caller aborts", async () => {
    server.respondWith(() => undefined);
    const target = `${server.origin}/api`;
    expect(await failure(fetchResourceMetadata(target, { timeout: 20 }))).toMatchObject({ code: "timeout" });
    const signal = AbortSignal.abort();
    expect(await failure(fetchResourceMetadata(target, { signal }))).toMatchObject({ code: "aborted" });
  });

  it.each<[string, ResourceMetadataOptions?]>([
    ["http://api.example.com/"],
    ["ftp://api.example.com/"],
    ["/api"],
    [""],
    ["https://api.example.com/#x"],
    ["https://a:b@api.example.com/"],
    ["https://api.example.com/", { resource: "http://api.example.com/" }],
    ["https://api.example.com/", { resource: "urn:x" }],
  ])("rejects the target %j with the options %j without a request", async (target, options) => {
    const fetch = () => expect.unreachable();
    expect(await failure(fetchResourceMetadata(target, { ...options, fetch }))).toMatchObject({
      code: "misconfigured",
    });
  });

  it("doesn't repeat the query of the resource in an error", async () => {
    server.respondWith(json(404, {}));
    const error = await failure(fetchResourceMetadata(`${server.origin}/api?key=s3cr3t`));
    expect(error.message).not.toContain("s3cr3t");
  });
});

describe("fetchResourceMetadata of a response", () => {
  it("fetches the metadata that the challenge names, and leaves the response's body unread", async () => {
    const url = `${server.origin}/api`;
    server.respondWith(json(200, { resource: url }));
    const response = responseOf(url, `Bearer resource_metadata="${server.origin}/metadata"`);
    expect((await fetchResourceMetadata(response)).resource).toBe(url);
    expect(paths()).toEqual(["/metadata"]);
    expect(await response.text()).toBe("denied");
  });

  it.each([undefined, 'Bearer realm="x"'])("uses the well-known URL if the challenge is %j", async (challenge) => {
    const url = `${server.origin}/api`;
    server.respondWith(json(200, { resource: url }));
    await fetchResourceMetadata(responseOf(url, challenge));
    expect(paths()).toEqual([`${WELL_KNOWN}/api`]);
  });

  it("rejects metadata of another resource than the one that was requested (§3.3)", async () => {
    server.respondWith(json(200, { resource: `${server.origin}/other` }));
    const response = responseOf(`${server.origin}/api`, `Bearer resource_metadata="${server.origin}/metadata"`);
    expect(await failure(fetchResourceMetadata(response))).toMatchObject({ code: "invalid-response" });
  });

  it.each(["https://evil.example/metadata", "http://127.0.0.1:1/metadata", "/metadata", "metadata", ""])(
    "doesn't request %j, which is another origin or isn't a URL",
    async (value) => {
      server.respondWith(json(200, { resource: `${server.origin}/api` }));
      const response = responseOf(`${server.origin}/api`, `DPoP resource_metadata="${value}"`);
      expect(await failure(fetchResourceMetadata(response))).toMatchObject({ code: "invalid-response" });
      expect(server.requests).toEqual([]);
    },
  );

  it("needs the option resource for a response without a URL", async () => {
    const response = new Response(null, { status: 401 });
    expect(await failure(fetchResourceMetadata(response))).toMatchObject({ code: "misconfigured" });
    const resource = `${server.origin}/api`;
    server.respondWith(json(200, { resource }));
    expect((await fetchResourceMetadata(response, { resource })).resource).toBe(resource);
  });
});
