/** Client authentication by assertions (RFC 7523) and certificates (RFC 8705). */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { type ClientAuth, DPoPProver, OAuthClient, type PrivateKeyJwt } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { authorizationServer, confidential } from "../../servers/authorization-server.js";
import { type Certificate, fetchWith, newCertificate } from "../../servers/mutual-tls.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
const signer = MemorySigner.generate();
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
  server.respondWith(json(200, { access_token: "opaque" }));
});
afterAll(() => server.close());

const requestToken = async (
  clientAuth: ClientAuth,
  options: { issuer?: string; fetch?: typeof fetch } = {},
  more = {},
) => {
  const client = new OAuthClient({ baseUrl: server.origin, clientAuth, ...options });
  await client.clientCredentials({ clientId: "my-agent", dpopProver: prover, ...more });
  return server.requests.at(-1) ?? expect.unreachable();
};

describe("private_key_jwt (RFC 7523 §2.2, §3)", () => {
  const keyAuth: PrivateKeyJwt = { method: "private_key_jwt", signer };
  const assertionOf = async (...args: Parameters<typeof requestToken>) =>
    (await requestToken(...args)).form.get("client_assertion") ?? expect.unreachable();

  it("signs a JWT for the token endpoint that is valid for one minute", async () => {
    const { form, headers } = await requestToken(keyAuth);
    expect(form.get("client_assertion_type")).toBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    expect(form.get("client_id")).toBe("my-agent");
    expect(form.has("client_secret") || headers.authorization !== undefined).toBe(false);
    const key = await importJWK({ ...(await signer.publicJwk()) }, "ES256");
    const { payload, protectedHeader } = await jwtVerify(form.get("client_assertion") ?? "", key);
    const kid = await calculateJwkThumbprint(await signer.publicJwk());
    expect(protectedHeader).toEqual({ typ: "JWT", alg: "ES256", kid });
    const { iat = 0, exp = 0, jti, ...claims } = payload;
    expect(claims).toEqual({ iss: "my-agent", sub: "my-agent", aud: `${server.origin}/oauth/token` });
    expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(30);
    expect(exp - iat).toBe(60);
    expect(jti).toMatch(/^[\w-]{22}$/);
  });

  it("addresses the assertion to the issuer if it is known, or to the audience option", async () => {
    const issuer = "https://auth.example.com";
    expect(decodeJwt(await assertionOf(keyAuth, { issuer })).aud).toBe(issuer);
    expect(decodeJwt(await assertionOf({ ...keyAuth, audience: "me" }, { issuer })).aud).toBe("me");
  });

  it("sets kid to the keyId option, and omits it for null", async () => {
    expect(decodeProtectedHeader(await assertionOf({ ...keyAuth, keyId: "2026-1" })).kid).toBe("2026-1");
    expect(decodeProtectedHeader(await assertionOf({ ...keyAuth, keyId: null }))).not.toHaveProperty("kid");
  });

  it("uses the prover's corrected clock for the assertion", async () => {
    const dpopProver = await DPoPProver.generate();
    dpopProver.adjustClock(new Date(Date.now() + 500_000).toUTCString());
    const { iat = 0 } = decodeJwt(await assertionOf(keyAuth, {}, { dpopProver }));
    expect(iat - Date.now() / 1000).toBeGreaterThan(400);
  });

  it("publishes the assertion's signature without the assertion itself", async () => {
    const messages: object[] = [];
    const listener = (message: unknown) => messages.push({ ...Object(message) });
    subscribe("tracing:hardproof.signature:start", listener);
    const assertion = await assertionOf(keyAuth);
    unsubscribe("tracing:hardproof.signature:start", listener);
    const { jti, aud } = decodeJwt(assertion);
    const jkt = await calculateJwkThumbprint(await signer.publicJwk());
    expect(messages[0]).toEqual({ kind: "client_assertion", jti, jkt, uri: "memory:", aud });
    expect(JSON.stringify(messages)).not.toContain(assertion);
  });

  it("rejects the string private_key_jwt, which has no key", async () => {
    await expect(requestToken("private_key_jwt" as never)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("rejects a client secret together with private_key_jwt", async () => {
    await expect(requestToken(keyAuth, {}, { clientSecret: "s3cret" })).rejects.toMatchObject({
      code: "misconfigured",
    });
  });

  it("rejects private_key_jwt if the server's metadata doesn't support it", async () => {
    const metadata = { issuer: server.origin, token_endpoint: `${server.origin}/oauth/token` };
    const requestWith = (more: object) =>
      new OAuthClient({
        baseUrl: server.origin,
        clientAuth: keyAuth,
        metadata: { ...metadata, ...more },
      }).clientCredentials({ clientId: "my-agent", dpopProver: prover });
    const error = { code: "misconfigured" };
    await expect(requestWith({ token_endpoint_auth_methods_supported: ["none"] })).rejects.toMatchObject(error);
    await expect(requestWith({ token_endpoint_auth_signing_alg_values_supported: ["RS256"] })).rejects.toMatchObject(
      error,
    );
    await requestWith({});
  });
});

it("reads the methods of introspection and revocation from their own lists, if the metadata has them (RFC 8414 §2)", async () => {
  const server = await stubServer();
  server.respondWith(json(200, { active: true }));
  const { origin } = server;
  const clientOf = (clientAuth: "client_secret_basic" | "client_secret_post" | undefined) =>
    new OAuthClient({
      baseUrl: origin,
      clientAuth,
      metadata: {
        issuer: origin,
        introspection_endpoint: `${origin}/introspect`,
        revocation_endpoint: `${origin}/revoke`,
        token_endpoint_auth_methods_supported: ["client_secret_post"],
        introspection_endpoint_auth_methods_supported: ["client_secret_basic"],
      },
    });
  const request = { clientId: "my-agent", clientSecret: "s3cret", token: "opaque" };
  await clientOf("client_secret_basic").introspect(request);
  await clientOf(undefined).introspect(request);
  await clientOf(undefined).revoke(request);
  const misconfigured = { code: "misconfigured" };
  await expect(clientOf("client_secret_post").introspect(request)).rejects.toMatchObject(misconfigured);
  await expect(clientOf("client_secret_basic").revoke(request)).rejects.toMatchObject(misconfigured);
  const used = server.requests.map(({ headers }) => (headers.authorization ? "basic" : "post"));
  expect(used).toEqual(["basic", "basic", "post"]);
  await server.close();
});

describe("tls_client_auth (RFC 8705 §2.1)", () => {
  it("sends only the client's id over a connection with the client's certificate", async () => {
    const [own, client, other] = ["server", "agent", "other"].map(newCertificate) as [Certificate, ...Certificate[]];
    const registration = {
      ...confidential,
      client_id: "tls-agent",
      token_endpoint_auth_method: "tls_client_auth" as const,
      tls_client_auth_subject_dn: "CN=agent",
    };
    const mutualTls = { own, client: client ?? expect.unreachable() };
    await using as = await authorizationServer({ clients: [registration], mutualTls });
    const request = { clientId: "tls-agent", dpopProver: prover, scope: "read" };
    const requestWith = async (certificate: Certificate | undefined) => {
      const fetch = fetchWith(certificate ?? expect.unreachable(), own);
      const discovered = await OAuthClient.discover(as.issuer, { clientAuth: "tls_client_auth", fetch });
      return discovered.clientCredentials(request);
    };
    expect((await requestWith(client)).cnfJkt).toBe(prover.jkt);
    expect(as.requests.at(-1)?.body).toBe("grant_type=client_credentials&client_id=tls-agent&scope=read");
    await expect(requestWith(other)).rejects.toMatchObject({ error: "invalid_client" });
  });

  it.each([null, undefined])("sends the request to the endpoint itself if its alias is %s", async (alias) => {
    server.respondWith(json(200, { access_token: "at" }));
    const aliases = { token_endpoint: alias as undefined };
    const metadata = {
      issuer: server.origin,
      token_endpoint: `${server.origin}/token`,
      mtls_endpoint_aliases: aliases,
    };
    const options = { baseUrl: server.origin, metadata, clientAuth: "tls_client_auth", fetch } as const;
    await new OAuthClient(options).clientCredentials({ dpopProver: prover, clientId: "my-agent" });
    expect(server.requests.map(({ path }) => path)).toEqual(["/token"]);
  });

  it("sends the request to the server's mtls_endpoint_aliases (§5)", async () => {
    const metadata = {
      issuer: server.origin,
      token_endpoint: `${server.origin}/token`,
      mtls_endpoint_aliases: { token_endpoint: `${server.origin}/mtls/token` },
    };
    const request = { clientId: "my-agent", dpopProver: prover };
    for (const [clientAuth, path] of [
      ["tls_client_auth", "/mtls/token"],
      ["none", "/token"],
    ] as const) {
      const client = new OAuthClient({ baseUrl: server.origin, clientAuth, metadata, fetch });
      await client.clientCredentials(request);
      expect(server.requests.at(-1)?.path).toBe(path);
    }
  });

  it("requires a custom fetch for tls_client_auth, and rejects a secret", async () => {
    expect(() => new OAuthClient({ baseUrl: server.origin, clientAuth: "tls_client_auth" })).toThrow("fetch");
    const request = requestToken("tls_client_auth", { fetch }, { clientSecret: "s3cret" });
    await expect(request).rejects.toMatchObject({ code: "misconfigured" });
  });
});
