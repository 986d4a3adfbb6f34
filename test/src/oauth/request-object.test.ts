/** Signed request objects (RFC 9101): what the URL, the pushed form and the JWT contain. */
import { createHash, X509Certificate } from "node:crypto";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import fc from "fast-check";
import { DPoPProver, OAuthClient, type OAuthError, type SignatureTrace } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, importJWK, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { newCertificate } from "../../servers/mutual-tls.js";
import { type StubOpenId, stubOpenId } from "../../servers/stub-openid.js";

const clientId = "my-agent";
const redirectUri = "https://app.example.com/callback";
const signer = MemorySigner.generate();
let server: StubOpenId;
let prover: DPoPProver;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubOpenId(), DPoPProver.generate()]);
});
beforeEach(() => {
  server.requests.length = 0;
});
afterAll(() => server.close());

const clientOf = (metadata: object = {}, options: object = {}) =>
  new OAuthClient({ baseUrl: server.origin, metadata: server.metadata(metadata), ...options });
const requestOf = (more: object = {}) => ({
  clientId,
  dpopProver: prover,
  redirectUri,
  scope: "openid read",
  requestObject: { signer },
  ...more,
});
const urlOf = async (more: object = {}, client = clientOf()) =>
  new URL((await client.authorizationUrl(requestOf(more))).url).searchParams;
const objectOf = async (more?: object, client?: OAuthClient) => (await urlOf(more, client)).get("request") ?? "";
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("a request object", () => {
  it("is in the URL with the client's id, and nothing else", async () => {
    const query = await urlOf({ scope: "read" });
    expect([...query.keys()]).toEqual(["client_id", "request"]);
    expect(query.get("client_id")).toBe(clientId);
  });

  it.each([["openid read"], [["openid", "read"]]])(
    "is in the URL with the response type and the scope, if the scope is %o",
    async (scope) => {
      const { request, ...query } = Object.fromEntries(await urlOf({ scope }));
      expect(query).toEqual({ client_id: clientId, response_type: "code", scope: "openid read" });
      expect(decodeJwt(request ?? "")).toMatchObject(query);
    },
  );

  it("contains all parameters, the client as issuer and the server as audience, signed with its own type", async () => {
    const resource = ["https://one.example/", "https://two.example/"];
    const pending = await clientOf().authorizationUrl(
      requestOf({ maxAge: 60, responseMode: "query", resource, extra: { prompt: "login", omitted: null } }),
    );
    const request = new URL(pending.url).searchParams.get("request") ?? "";
    const jwk = await signer.publicJwk();
    const { payload, protectedHeader } = await jwtVerify(request, await importJWK(jwk), {
      issuer: clientId,
      audience: server.origin,
      typ: "oauth-authz-req+jwt",
    });
    expect(protectedHeader).toEqual({
      typ: "oauth-authz-req+jwt",
      alg: "ES256",
      kid: await calculateJwkThumbprint(jwk),
    });
    const { iat = 0, nbf, exp, jti, code_challenge, ...claims } = payload;
    expect(claims).toEqual({
      iss: clientId,
      aud: server.origin,
      client_id: clientId,
      response_type: "code",
      redirect_uri: redirectUri,
      response_mode: "query",
      scope: "openid read",
      state: pending.state,
      nonce: pending.nonce,
      max_age: 60,
      code_challenge_method: "S256",
      dpop_jkt: prover.jkt,
      resource,
      prompt: "login",
    });
    expect(code_challenge).toMatch(/^[\w-]{43}$/);
    expect({ nbf, exp }).toEqual({ nbf: iat, exp: iat + 300 });
    expect(Math.abs(iat - Date.now() / 1000)).toBeLessThan(30);
    expect(jti).not.toBe(decodeJwt(await objectOf()).jti);
  });

  it("has the time of the corrected clock", async () => {
    const late = await DPoPProver.generate();
    late.adjustClock(new Date(Date.now() + 500_000).toUTCString());
    const { iat = 0 } = decodeJwt(await objectOf({ dpopProver: late }));
    expect(iat - Date.now() / 1000).toBeGreaterThan(400);
  });

  it("has the kid that the caller chooses, or none", async () => {
    const kidOf = async (keyId: string | null) =>
      decodeProtectedHeader(await objectOf({ requestObject: { signer, keyId } })).kid;
    expect(await kidOf("mine")).toBe("mine");
    expect(await kidOf(null)).toBeUndefined();
  });

  it("has the header parameters of the caller, and the thumbprint of the key's certificate", async () => {
    const certificate = newCertificate("agent").cert;
    const { raw } = new X509Certificate(certificate);
    const header = { x5c: [raw.toString("base64")] };
    const requestObject = { signer, certificate, header, typ: "JWT" };
    expect(decodeProtectedHeader(await objectOf({ requestObject }))).toMatchObject({
      ...header,
      "x5t#S256": createHash("sha256").update(raw).digest("base64url"),
      typ: "oauth-authz-req+jwt",
    });
    for (const wrong of [{ header: { alg: "none" } }, { header: 7 }, { keyId: 7 }, { certificate: "none" }]) {
      const error = await errorOf(clientOf().authorizationUrl(requestOf({ requestObject: { signer, ...wrong } })));
      expect(error).toMatchObject({ name: "OAuthError", code: "misconfigured" });
    }
  });

  it("contains the JSON of authorization_details and claims as JSON, not as text", async () => {
    const extra = { authorization_details: '[{"type":"payment"}]', claims: '{"id_token":{"acr":null}}' };
    expect(decodeJwt(await objectOf({ extra }))).toMatchObject({
      authorization_details: [{ type: "payment" }],
      claims: { id_token: { acr: null } },
    });
    const error = await errorOf(objectOf({ extra: { claims: "{" } }));
    expect(error).toMatchObject({ code: "misconfigured", message: "extra.claims must be JSON." });
  });

  it("contains any additional parameter as it is", async () => {
    const name = fc.string({ minLength: 1 }).map((text) => `x_${text}`);
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.string(), { minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }), async (extra) => {
        expect(decodeJwt(await objectOf({ extra }))).toMatchObject(extra);
      }),
      { numRuns: 30 },
    );
  });

  it.each(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "state", "client_id", "request", "request_uri"])(
    "can't have %s replaced by an additional parameter",
    async (name) => {
      for (const pushed of [false, true])
        expect(await errorOf(objectOf({ pushed, extra: { [name]: "x" } }))).toMatchObject({ code: "misconfigured" });
    },
  );

  it("is published as a signature, without the JWT", async () => {
    const traces: SignatureTrace[] = [];
    const listener = (message: unknown) => traces.push(message as SignatureTrace);
    subscribe("tracing:hardproof.signature:asyncEnd", listener);
    const request = await objectOf();
    unsubscribe("tracing:hardproof.signature:asyncEnd", listener);
    const { jti } = decodeJwt(request);
    expect(traces).toMatchObject([{ kind: "request_object", jti, aud: server.origin, outcome: "ok" }]);
    expect(JSON.stringify(traces)).not.toContain(request);
  });
});

describe("the server's metadata", () => {
  it("lists the algorithms of request objects", async () => {
    const only = (list: string[]) => clientOf({ request_object_signing_alg_values_supported: list });
    await objectOf({}, only(["PS256", "ES256"]));
    const error = await errorOf(objectOf({}, only(["PS256", "none"])));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(error.message).toContain("doesn't support request objects with ES256. It supports: PS256, none");
    const ed25519 = MemorySigner.generate({ algorithm: "Ed25519" });
    const older = await objectOf({ requestObject: { signer: ed25519 } }, only(["EdDSA"]));
    expect(decodeProtectedHeader(older).alg).toBe("EdDSA");
  });

  it("may require a request object, which can also be the caller's own", async () => {
    const client = clientOf({ require_signed_request_object: true });
    for (const pushed of [false, true]) {
      const error = await errorOf(urlOf({ requestObject: undefined, pushed }, client));
      expect(error).toMatchObject({ code: "misconfigured" });
      expect(error.message).toContain("Use the option requestObject");
    }
    expect(server.requests).toEqual([]);
    await urlOf({ requestObject: undefined, extra: { request: "mine" } }, client);
    await urlOf({}, client);
  });

  it("or an option must contain the issuer, the audience of a request object", async () => {
    const request = requestOf({ scope: "read" });
    const without = new OAuthClient({ baseUrl: server.origin });
    expect((await errorOf(without.authorizationUrl(request))).message).toContain("needs the server's issuer");
    const withIssuer = new OAuthClient({ baseUrl: server.origin, issuer: "https://auth.example.com" });
    const { url } = await withIssuer.authorizationUrl(request);
    expect(decodeJwt(new URL(url).searchParams.get("request") ?? "").aud).toBe("https://auth.example.com");
  });
});

describe("a pushed request object", () => {
  const push = async (options: object, more: object = {}) => {
    const parameters = await urlOf({ pushed: true, ...more }, clientOf({}, options));
    expect(Object.fromEntries(parameters)).toEqual({ client_id: clientId, request_uri: "urn:request:1" });
    return server.requests.at(-1);
  };
  const secret = { clientSecret: "s3cret" };

  it.each([
    ["none", {}, {}, ["client_id", "request"]],
    ["a secret in the form", { clientAuth: "client_secret_post" }, secret, ["client_id", "client_secret", "request"]],
    ["a secret in a header", { clientAuth: "client_secret_basic" }, secret, ["request"]],
    ["a certificate", { clientAuth: "tls_client_auth", fetch }, {}, ["client_id", "request"]],
    [
      "an assertion, which identifies the client",
      { clientAuth: { method: "private_key_jwt", signer } },
      {},
      ["client_assertion", "client_assertion_type", "request"],
    ],
  ])("is in the form with the client's authentication, and nothing else: %s", async (_, options, more, names) => {
    const sent = await push(options, more);
    expect([...(sent?.form.keys() ?? [])].sort()).toEqual(names);
    expect(decodeJwt(sent?.form.get("request") ?? "")).toMatchObject({ client_id: clientId, scope: "openid read" });
    const own = await push(options, { ...more, requestObject: undefined, extra: { request: "mine" } });
    expect([...(own?.form.keys() ?? [])].sort()).toEqual(names);
    expect(own?.form.get("request")).toBe("mine");
  });

  it("of the caller's own can't be pushed beside other parameters, which would be lost", async () => {
    const own = { pushed: true, requestObject: undefined };
    const error = await errorOf(urlOf({ ...own, extra: { request: "mine", prompt: "login", omitted: null } }));
    expect(error).toMatchObject({ code: "misconfigured" });
    expect(error.message).toContain("extra.prompt can't be sent beside extra.request");
    expect(await errorOf(urlOf({ ...own, extra: { request: 5 } }))).toMatchObject({ code: "misconfigured" });
    expect(server.requests).toEqual([]);
  });
});
