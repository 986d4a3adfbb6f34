/** From a protected resource to a client of its authorization server, and to a bound token for it (RFC 9728 §5). */
import { DPoPProver, discoverResource, dpopFetch, type OAuthError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { type ResourceServer, resourceServer } from "../../servers/resource-server.js";
import { errorOf } from "../../servers/stub-resource.js";

const failure = (work: Promise<unknown>) => errorOf(work) as Promise<OAuthError>;

describe("with oidc-provider and a resource server that publishes its metadata", () => {
  let as: AuthorizationServer;
  let rs: ResourceServer;
  let prover: DPoPProver;
  beforeAll(async () => {
    [as, prover] = await Promise.all([authorizationServer(), DPoPProver.generate()]);
    rs = await resourceServer({ issuer: as.issuer, audience: as.audience, publishMetadata: true });
  });
  afterAll(async () => {
    await Promise.all([rs.close(), as.close()]);
  });

  it.each(["url", "expressUrl"] as const)("gets a token for %s that the resource server accepts", async (route) => {
    const { client, resource, issuer } = await discoverResource(rs[route]);
    expect({ resource, issuer }).toEqual({ resource: rs[route], issuer: as.issuer });
    const token = await client.clientCredentials({ ...as.client, dpopProver: prover, resource });
    const response = await dpopFetch({ prover, token })(rs[route]);
    expect(await response.json()).toMatchObject({ jkt: prover.jkt });
  });

  it.each(["url", "expressUrl"] as const)("finds the server by the challenge of a 401 of %s", async (route) => {
    const response = await fetch(rs[route]);
    expect(response.status).toBe(401);
    const { issuer, client, metadata } = await discoverResource(response);
    expect(issuer).toBe(as.issuer);
    expect(metadata.resource).toBe(rs[route]);
    expect(client.requireBinding).toBe(true);
    expect((await discoverResource(response, { requireBinding: false })).client.requireBinding).toBe(false);
  });
});

describe("the choice of the server", () => {
  const resource = "https://api.example.com/";
  const first = "https://one.example.com";
  const second = "https://two.example.com";
  /** Serves the metadata of the resource, and of any issuer. */
  const serving =
    (metadata: object): typeof fetch =>
    async (input) => {
      const { origin, pathname } = new URL(String(input));
      return Response.json(pathname.endsWith("protected-resource") ? { resource, ...metadata } : { issuer: origin });
    };
  const servers = { authorization_servers: [first, second] };

  it("is the first one by default, or that of the option issuer", async () => {
    const fetch = serving(servers);
    expect((await discoverResource(resource, { fetch })).issuer).toBe(first);
    expect((await discoverResource(resource, { fetch, issuer: second })).client.issuer).toBe(second);
    const issuer = (issuers: readonly string[]) => issuers.at(-1) ?? "";
    expect((await discoverResource(resource, { fetch, issuer })).client.issuer).toBe(second);
  });

  it("must be one of the servers that the resource names", async () => {
    const fetch = serving(servers);
    for (const issuer of ["https://three.example.com", () => `${first}/`])
      expect(await failure(discoverResource(resource, { fetch, issuer }))).toMatchObject({
        code: "misconfigured",
        message: expect.stringContaining(`${first}, ${second}`),
      });
  });

  it.each([{}, { authorization_servers: [] }, { authorization_servers: null }])(
    "fails if the resource names no server: %j",
    async (metadata) => {
      expect(await failure(discoverResource(resource, { fetch: serving(metadata) }))).toMatchObject({
        code: "invalid-response",
        message: expect.stringContaining("OAuthClient.discover()"),
      });
    },
  );

  it.each(["http://auth.example.com", "https://localhost", "https://10.0.0.1", "https://a.example/?x=1", "urn:x", ""])(
    "rejects the server %j of a public resource",
    async (issuer) => {
      const fetch = serving({ authorization_servers: [issuer] });
      expect(await failure(discoverResource(resource, { fetch }))).toMatchObject({ code: "misconfigured" });
    },
  );

  it("accepts a private server with allowPrivateEndpoints", async () => {
    const fetch = serving({ authorization_servers: ["https://10.0.0.1"] });
    const { issuer } = await discoverResource(resource, { fetch, allowPrivateEndpoints: true });
    expect(issuer).toBe("https://10.0.0.1");
  });

  it("doesn't turn off what the client's profile requires", async () => {
    const fetch = serving({ ...servers, dpop_bound_access_tokens_required: false });
    const clientAuth = { method: "private_key_jwt", signer: MemorySigner.generate() } as const;
    const { client } = await discoverResource(resource, { fetch, profile: "fapi2", clientAuth });
    expect(client.requireBinding).toBe(true);
  });

  it("doesn't require bound tokens unless the resource does", async () => {
    expect((await discoverResource(resource, { fetch: serving(servers) })).client.requireBinding).toBe(false);
  });
});
