/** How a client says who it is: assertions by a key (RFC 7523), and certificates (RFC 8705). */
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

const ask = async (clientAuth: ClientAuth, options: { issuer?: string; fetch?: typeof fetch } = {}, more = {}) => {
  const client = new OAuthClient({ baseUrl: server.origin, clientAuth, ...options });
  await client.clientCredentials({ clientId: "my-agent", dpopProver: prover, ...more });
  return server.requests.at(-1) ?? expect.unreachable();
};

describe("private_key_jwt (RFC 7523 §2.2, §3)", () => {
  const byKey: PrivateKeyJwt = { method: "private_key_jwt", signer };
  const assertionOf = async (...asked: Parameters<typeof ask>) =>
    (await ask(...asked)).form.get("client_assertion") ?? expect.unreachable();

  it("is a JWT by the key, for the token endpoint, good for a minute", async () => {
    const { form, headers } = await ask(byKey);
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

  it("is for the issuer where that is known, or for whom the caller says", async () => {
    const issuer = "https://auth.example.com";
    expect(decodeJwt(await assertionOf(byKey, { issuer })).aud).toBe(issuer);
    expect(decodeJwt(await assertionOf({ ...byKey, audience: "me" }, { issuer })).aud).toBe("me");
  });

  it("names the key as the caller says, or not at all", async () => {
    expect(decodeProtectedHeader(await assertionOf({ ...byKey, keyId: "2026-1" })).kid).toBe("2026-1");
    expect(decodeProtectedHeader(await assertionOf({ ...byKey, keyId: null }))).not.toHaveProperty("kid");
  });

  it("takes its time from the clock that a server has set", async () => {
    const dpopProver = await DPoPProver.generate();
    dpopProver.adjustClock(new Date(Date.now() + 500_000).toUTCString());
    const { iat = 0 } = decodeJwt(await assertionOf(byKey, {}, { dpopProver }));
    expect(iat - Date.now() / 1000).toBeGreaterThan(400);
  });

  it("is published as a signature, without itself", async () => {
    const seen: object[] = [];
    const see = (message: unknown) => seen.push({ ...Object(message) });
    subscribe("tracing:hardproof.signature:start", see);
    const assertion = await assertionOf(byKey);
    unsubscribe("tracing:hardproof.signature:start", see);
    const { jti, aud } = decodeJwt(assertion);
    const jkt = await calculateJwkThumbprint(await signer.publicJwk());
    expect(seen[0]).toEqual({ kind: "client_assertion", jti, jkt, uri: "memory:", aud });
    expect(JSON.stringify(seen)).not.toContain(assertion);
  });

  it("by its name alone, without a key, is no authentication", async () => {
    await expect(ask("private_key_jwt" as never)).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("does not go with a secret", async () => {
    await expect(ask(byKey, {}, { clientSecret: "s3cret" })).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("is refused where the server takes no such assertions", async () => {
    const metadata = { issuer: server.origin, token_endpoint: `${server.origin}/oauth/token` };
    const by = (more: object) =>
      new OAuthClient({
        baseUrl: server.origin,
        clientAuth: byKey,
        metadata: { ...metadata, ...more },
      }).clientCredentials({ clientId: "my-agent", dpopProver: prover });
    const refusal = { code: "misconfigured" };
    await expect(by({ token_endpoint_auth_methods_supported: ["none"] })).rejects.toMatchObject(refusal);
    await expect(by({ token_endpoint_auth_signing_alg_values_supported: ["RS256"] })).rejects.toMatchObject(refusal);
    await by({});
  });
});

describe("tls_client_auth (RFC 8705 §2.1)", () => {
  it("sends the client's id alone, over a connection that shows the certificate", async () => {
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
    const ask = async (shown: Certificate | undefined) => {
      const fetch = fetchWith(shown ?? expect.unreachable(), own);
      const found = await OAuthClient.discover(as.issuer, { clientAuth: "tls_client_auth", fetch });
      return found.clientCredentials(request);
    };
    expect((await ask(client)).cnfJkt).toBe(prover.jkt);
    expect(as.requests.at(-1)?.body).toBe("grant_type=client_credentials&client_id=tls-agent&scope=read");
    await expect(ask(other)).rejects.toMatchObject({ error: "invalid_client" });
  });

  it("goes to the aliases that the server keeps for it (§5)", async () => {
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

  it("needs a fetch that has the certificate, and no secret", async () => {
    expect(() => new OAuthClient({ baseUrl: server.origin, clientAuth: "tls_client_auth" })).toThrow("fetch");
    const asking = ask("tls_client_auth", { fetch }, { clientSecret: "s3cret" });
    await expect(asking).rejects.toMatchObject({ code: "misconfigured" });
  });
});
