/** Client assertions with other headers, and those that are made elsewhere (RFC 7521 §4.2, RFC 7523 §2.2). */
import { createHash, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { type ClientAuth, DPoPProver, OAuthClient, privateKeyJwt } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { newCertificate } from "../../servers/mutual-tls.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
let directory: string;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
  directory = mkdtempSync(join(tmpdir(), "hardproof-assertions-"));
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await server.close();
});

const signer = MemorySigner.generate();
const requestToken = async (clientAuth: ClientAuth, options: { issuer?: string } = {}) => {
  server.respondWith(json(200, { access_token: "opaque" }));
  const client = new OAuthClient({ baseUrl: server.origin, clientAuth, ...options });
  await client.clientCredentials({ clientId: "my-agent", dpopProver: prover });
  return server.requests.at(-1)?.form ?? expect.unreachable();
};
const assertionOf = async (clientAuth: ClientAuth) => (await requestToken(clientAuth)).get("client_assertion") ?? "";

describe("the header of an assertion", () => {
  const certificate = newCertificate("agent").cert;
  const x5t = createHash("sha256").update(new X509Certificate(certificate).raw).digest("base64url");

  it("has the typ, the certificate's thumbprint and further parameters that the options name", async () => {
    const x5c = [new X509Certificate(certificate).raw.toString("base64")];
    const typ = "client-authentication+jwt";
    const kid = (await DPoPProver.create(signer)).jkt;
    const assertion = await assertionOf({ method: "private_key_jwt", signer, typ, certificate, header: { x5c } });
    expect(decodeProtectedHeader(assertion)).toEqual({ typ, alg: "ES256", kid, x5c, "x5t#S256": x5t });
    await jwtVerify(assertion, await importJWK({ ...(await signer.publicJwk()) }, "ES256"));
  });
  it("is what Microsoft Entra asks for: PS256, x5t#S256, no kid, and its token endpoint as the audience", async () => {
    const rsa = MemorySigner.generate({ algorithm: "PS256" });
    const audience = "https://login.microsoftonline.com/tenant/oauth2/v2.0/token";
    const auth = { method: "private_key_jwt", signer: rsa, keyId: null, certificate, audience } as const;
    const assertion = await assertionOf(auth);
    expect(decodeProtectedHeader(assertion)).toEqual({ typ: "JWT", alg: "PS256", "x5t#S256": x5t });
    expect(decodeJwt(assertion).aud).toBe(audience);
  });

  it("is the same in privateKeyJwt for other libraries", async () => {
    const body = new URLSearchParams();
    const auth = privateKeyJwt({ signer, typ: "client-authentication+jwt", certificate });
    await auth({ issuer: "https://auth.example.com" }, { client_id: "my-agent" }, body, new Headers());
    const header = decodeProtectedHeader(body.get("client_assertion") ?? "");
    expect(header).toMatchObject({ typ: "client-authentication+jwt", "x5t#S256": x5t });
  });

  it.each(["alg", "kid", "typ", "crit", "b64"])("can't contain %s, which isn't the application's", (name) => {
    const auth = { method: "private_key_jwt", signer, header: { [name]: "x" } } as const;
    expect(() => new OAuthClient({ baseUrl: server.origin, clientAuth: auth })).toThrow(`can't contain ${name}`);
  });

  it("can't have a certificate that isn't one", () => {
    const auth = { method: "private_key_jwt", signer, certificate: "-----BEGIN PRIVATE KEY-----" } as const;
    expect(() => new OAuthClient({ baseUrl: server.origin, clientAuth: auth })).toThrow("X.509");
  });
});

it.each<[object, string]>([
  [{ method: "private_key_jwt" }, "clientAuth.signer"],
  [{ method: "private_key_jwt", signer: {} }, "clientAuth.signer"],
  [{ method: "private_key" }, "clientAuth must be"],
  [{ method: "private_key_jwt", signer, keyId: 7 }, "clientAuth.keyId"],
  [{ method: "private_key_jwt", signer, typ: "" }, "clientAuth.typ"],
  [{ method: "private_key_jwt", signer, header: "x5c" }, "clientAuth.header"],
  [{ method: "private_key_jwt", assertion: "a.b.c" }, "clientAuth.assertion"],
  [{ method: "private_key_jwt", assertion: { file: "" } }, "clientAuth.assertion"],
  [{ method: "private_key_jwt", assertion: () => "a.b.c", assertionType: 7 }, "clientAuth.assertionType"],
])("refuses an option that lacks a member or has a wrong one when the client is created: %o", (clientAuth, option) => {
  const create = () => new OAuthClient({ baseUrl: server.origin, clientAuth: clientAuth as ClientAuth });
  expect(create).toThrow(expect.objectContaining({ name: "OAuthError", code: "misconfigured" }));
  expect(create).toThrow(option);
});

describe("an assertion that is made elsewhere", () => {
  const file = () => join(directory, "svid.jwt");

  it("comes from a function, which is called for each request with the audience", async () => {
    const targets: unknown[] = [];
    const assertion = ({ audience }: { audience: string }) => {
      targets.push(audience);
      return `a.b.c${targets.length}`;
    };
    const client = new OAuthClient({
      baseUrl: server.origin,
      issuer: "https://auth.example.com",
      clientAuth: { method: "private_key_jwt", assertion },
    });
    server.respondWith((response, request, turn) =>
      turn === 1
        ? json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "n-1" })(response, request, turn)
        : json(200, { access_token: "opaque" })(response, request, turn),
    );
    await client.clientCredentials({ clientId: "my-agent", dpopProver: prover });
    expect(server.requests.map(({ form }) => form.get("client_assertion"))).toEqual(["a.b.c1", "a.b.c2"]);
    expect(targets).toEqual(["https://auth.example.com", "https://auth.example.com"]);
    const { form, headers } = server.requests[0] ?? expect.unreachable();
    expect(form.get("client_assertion_type")).toBe("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    expect(form.get("client_id")).toBe("my-agent");
    expect(headers.authorization).toBeUndefined();
  });

  it("comes from a file, which is read for each request, with the assertion's own type", async () => {
    const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    const auth = { method: "private_key_jwt", assertion: { file: file() }, assertionType } as const;
    writeFileSync(file(), "first.j.wt\n");
    expect((await requestToken(auth)).get("client_assertion")).toBe("first.j.wt");
    writeFileSync(file(), "\uFEFFsecond.j.wt\r\n\n");
    const form = await requestToken(auth);
    expect(form.get("client_assertion")).toBe("second.j.wt");
    expect(form.get("client_assertion_type")).toBe(assertionType);
  });

  it.each<[string, () => string]>([
    ["is missing", () => join(directory, "missing.jwt")],
    ["is empty", () => written("")],
    ["contains something else", () => written("s3cret with blanks")],
  ])("is an error that names the file if it %s, before anything is sent", async (_, path) => {
    const assertion = { file: path() };
    const error = await requestToken({ method: "private_key_jwt", assertion }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(String(error)).toContain(assertion.file);
    expect(inspect(error)).not.toContain("s3cret");
    expect(server.requests).toHaveLength(0);
  });
  const written = (text: string) => {
    writeFileSync(file(), text);
    return file();
  };

  it("fails as the function does, and if it returns nothing", async () => {
    const reason = new Error("The workload API isn't reachable.");
    const failing = requestToken({ method: "private_key_jwt", assertion: () => Promise.reject(reason) });
    await expect(failing).rejects.toBe(reason);
    const empty = requestToken({ method: "private_key_jwt", assertion: (() => undefined) as never });
    await expect(empty).rejects.toMatchObject({ code: "misconfigured" });
  });

  it("is redacted from the server's error", async () => {
    const assertion = "aaaa.bbbb.cccc-secret";
    const auth: ClientAuth = { method: "private_key_jwt", assertion: () => assertion };
    const client = new OAuthClient({ baseUrl: server.origin, clientAuth: auth });
    server.respondWith((response, { body }) => response.writeHead(400).end(body));
    const request = client.clientCredentials({ clientId: "my-agent", dpopProver: prover });
    const error = await request.catch((reason: unknown) => reason);
    expect(inspect(error)).not.toContain("cccc-secret");
  });

  it("can't be combined with a signer", () => {
    const auth = { method: "private_key_jwt", assertion: () => "a.b.c", signer } as ClientAuth;
    expect(() => new OAuthClient({ baseUrl: server.origin, clientAuth: auth })).toThrow("both");
  });

  it("authenticates a workload at a real server", async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: "workload", use: "sig" };
    const registration = {
      ...confidential,
      client_id: "workload",
      token_endpoint_auth_method: "private_key_jwt" as const,
      jwks: { keys: [jwk] },
    };
    await using as: AuthorizationServer = await authorizationServer({ clients: [registration] });
    const assertion = ({ audience }: { audience: string }) =>
      new SignJWT({ jti: crypto.randomUUID() })
        .setProtectedHeader({ alg: "ES256", kid: "workload" })
        .setIssuer("workload")
        .setSubject("workload")
        .setAudience(audience)
        .setExpirationTime("1m")
        .sign(privateKey);
    const client = await OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", assertion } });
    const token = await client.clientCredentials({ clientId: "workload", dpopProver: prover, scope: "read" });
    expect(token.cnfJkt).toBe(prover.jkt);
    expect(as.requests.slice(-2).map(({ status }) => status)).toEqual([400, 200]); // a nonce first
  });
});
