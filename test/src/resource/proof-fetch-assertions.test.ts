/** Which requests get a client assertion from `proofFetch`, and what it rejects. */
import { inspect } from "node:util";
import { type ClientAssertion, DPoPProver, OAuthError, type ServerMetadata } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { compactVerify, importJWK } from "jose";
import type * as oauth from "oauth4webapi";
import type * as openid from "openid-client";
import { afterAll, describe, expect, expectTypeOf, it, vi } from "vitest";
import {
  assertionHeader,
  CLIENT,
  granted,
  refuse,
  stubProofClient,
  tokenRequest,
  withToken,
} from "../../servers/stub-proof-client.js";
import { errorOf, respond } from "../../servers/stub-resource.js";
import { json } from "../../servers/stub-server.js";

const stub = await stubProofClient();
const {
  server,
  elsewhere,
  url,
  inTurn,
  assertingCaller: caller,
  proofs,
  assertions,
  endpoints,
  assertionSigner,
} = stub;
afterAll(() => stub.close());

const TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const onlyRequest = () => server.requests[0] ?? expect.unreachable();

describe("the assertion", () => {
  it("is signed by its own key, with the claims of RFC 7523 §3 and the key's thumbprint", async () => {
    inTurn(granted);
    expect(await (await caller()(endpoints.token, tokenRequest({ scope: "read" }))).json()).toHaveProperty(
      "access_token",
    );
    const { form } = onlyRequest();
    expect(Object.fromEntries(form)).toEqual({
      grant_type: "client_credentials",
      scope: "read",
      client_id: CLIENT,
      client_assertion_type: TYPE,
      client_assertion: expect.stringMatching(/^ey/),
    });
    const [claims] = assertions();
    expect(claims).toEqual({
      iss: CLIENT,
      sub: CLIENT,
      aud: server.origin,
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: (claims?.iat ?? 0) + 60,
    });
    const key = await assertionSigner.publicJwk();
    await compactVerify(form.get("client_assertion") ?? "", await importJWK({ ...key }));
    const { jkt } = await DPoPProver.create(assertionSigner);
    expect(assertionHeader(onlyRequest())).toEqual({ alg: "ES256", typ: "JWT", kid: jkt });
    expect(jkt).not.toBe(stub.prover.jkt);
  });

  it("has the audience and key id of the options", async () => {
    inTurn(granted);
    await caller({ audience: "urn:as", keyId: "key-1" })(endpoints.token, tokenRequest());
    expect([assertions()[0]?.aud, assertionHeader(onlyRequest()).kid]).toEqual(["urn:as", "key-1"]);
  });

  it("is a new one for each attempt, as the proof is", async () => {
    inTurn(refuse("use_dpop_nonce", { "dpop-nonce": "n1" }), granted);
    const call = caller();
    for (let turn = 0; turn < 2; turn++) expect((await call(endpoints.token, tokenRequest())).status).toBe(200);
    expect(proofs().map(({ nonce }) => nonce)).toEqual([undefined, "n1", "n1"]);
    expect(new Set([...assertions(), ...proofs()].map(({ jti }) => jti)).size).toBe(6);
  });

  it("replaces those that the library put in", async () => {
    inTurn(granted);
    const body = new URLSearchParams({ client_id: CLIENT, client_assertion: "ey.of.library" });
    body.append("client_assertion", "ey.another.one");
    await caller()(endpoints.token, { method: "POST", body });
    const { form } = onlyRequest();
    expect(form.getAll("client_assertion")).toEqual([expect.stringMatching(/^ey[^.]{3,}/)]);
    expect(form.getAll("client_id")).toEqual([CLIENT]);
    expect(assertions()[0]).toMatchObject({ sub: CLIENT });
  });

  it.each(["string", "Request", "stream"])("is added to the form in a %s, with its Content-Length", async (kind) => {
    inTurn(granted);
    const form = "grant_type=a&text=b+%26c";
    const headers = { "content-type": "application/x-www-form-urlencoded", "content-length": String(form.length) };
    const body = kind === "stream" ? new Blob([form]).stream() : form;
    const init = { method: "POST", headers, body, duplex: "half" } as const;
    const call = caller();
    await (kind === "Request" ? call(new Request(endpoints.token, init)) : call(endpoints.token, init));
    const { headers: sent, body: text, form: fields } = onlyRequest();
    expect(sent["content-length"]).toBe(String(text.length));
    expect(sent["content-type"]).toBe("application/x-www-form-urlencoded");
    expect([fields.get("grant_type"), fields.get("text")]).toEqual(["a", "b &c"]);
    expect(assertions()).toHaveLength(1);
  });

  it("doesn't change the library's own form", async () => {
    inTurn(granted);
    const init = tokenRequest();
    await caller()(endpoints.token, init);
    expect(String(init.body)).toBe("grant_type=client_credentials");
  });

  it.each([
    ["token", "token", "token_endpoint"],
    ["revocation", "revoke", "revocation_endpoint"],
    ["introspection", "introspect", "introspection_endpoint"],
  ])("uses a name of the algorithm that the server lists for its %s endpoint", async (_, path, member) => {
    inTurn(granted);
    const signer = MemorySigner.generate({ algorithm: "Ed25519" });
    const list = { [member]: `${server.origin}/${path}`, [`${member}_auth_signing_alg_values_supported`]: ["EdDSA"] };
    await caller({ signer, endpoints: stub.metadata(list) })(`${server.origin}/${path}`, tokenRequest());
    expect(assertionHeader(onlyRequest()).alg).toBe("EdDSA");
    const other = { [member]: `${server.origin}/${path}`, [`${member}_auth_signing_alg_values_supported`]: ["RS256"] };
    const call = caller({ signer, endpoints: stub.metadata(other) });
    expect(await errorOf(call(`${server.origin}/${path}`, tokenRequest()))).toMatchObject({
      name: "OAuthError",
      code: "misconfigured",
      message: expect.stringMatching(/Ed25519.*RS256/),
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe("the endpoints", () => {
  const names = ["token", "pushed_authorization_request", "revocation", "introspection", "device_authorization"];
  const all = [...names, "backchannel_authentication"];
  it("are those of the metadata at which a client authenticates, and their aliases for mutual TLS", async () => {
    inTurn(granted);
    const at = (prefix: string) =>
      Object.fromEntries(all.map((name) => [`${name}_endpoint`, `${server.origin}${prefix}/${name}`]));
    const others = {
      authorization_endpoint: `${server.origin}/authorize`,
      userinfo_endpoint: `${server.origin}/userinfo`,
      registration_endpoint: `${server.origin}/register`,
    };
    const metadata = { issuer: server.origin, ...at(""), ...others, mtls_endpoint_aliases: at("/mtls") };
    const call = caller({ endpoints: metadata });
    for (const name of all)
      for (const prefix of ["", "/mtls"]) await call(`${server.origin}${prefix}/${name}`, tokenRequest());
    expect(assertions()).toHaveLength(12);
    inTurn(granted);
    for (const other of Object.values(others)) await call(other, tokenRequest());
    expect([server.requests.length, assertions()]).toEqual([3, []]);
    expect(proofs()).toHaveLength(3);
  });

  it("can be the metadata object of openid-client and oauth4webapi", () => {
    expectTypeOf<oauth.AuthorizationServer>().toExtend<ClientAssertion["endpoints"]>();
    expectTypeOf<openid.ServerMetadata>().toExtend<ClientAssertion["endpoints"]>();
    expectTypeOf<Readonly<openid.ServerMetadata> & openid.ServerMetadataHelpers>().toExtend<
      ClientAssertion["endpoints"]
    >();
  });

  it("have the algorithms of the token endpoint if they share its URL", async () => {
    inTurn(granted);
    const lists = {
      token_endpoint_auth_signing_alg_values_supported: ["ES256"],
      introspection_endpoint_auth_signing_alg_values_supported: ["RS256"],
    };
    const shared = stub.metadata({ introspection_endpoint: endpoints.token, ...lists });
    expect((await caller({ endpoints: shared })(endpoints.token, tokenRequest())).status).toBe(200);
  });

  it("can be URLs, with an audience", async () => {
    inTurn(granted);
    const call = caller({ endpoints: [endpoints.token, new URL(`${endpoints.par}?tenant=1`)], audience: "urn:as" });
    await call(endpoints.token, tokenRequest());
    await call(`${endpoints.par}?tenant=1#fragment`, tokenRequest());
    expect(assertions().map(({ aud }) => aud)).toEqual(["urn:as", "urn:as"]);
    inTurn(granted);
    for (const other of [endpoints.par, `${endpoints.par}?tenant=2`, `${endpoints.token}?a`, `${endpoints.token}/`])
      await call(other, tokenRequest());
    expect([server.requests.length, assertions()]).toEqual([4, []]);
  });

  it("get the assertion only in a POSTed form without an access token", async () => {
    inTurn(granted);
    const call = caller();
    await call(endpoints.token);
    await call(endpoints.token, { method: "POST", body: "{}", headers: { "content-type": "application/json" } });
    await call(endpoints.token, { ...tokenRequest(), method: "PUT" });
    await call(endpoints.token, withToken("Bearer", tokenRequest()));
    expect([server.requests.length, assertions()]).toEqual([4, []]);
  });
});

describe("discovery by the audience", () => {
  const discovered = (metadata: () => object) =>
    server.respondWith((response, request, turn) =>
      (request.path.startsWith("/.well-known/") ? json(200, metadata(), { "cache-control": "no-store" }) : granted)(
        response,
        request,
        turn,
      ),
    );
  const paths = () => server.requests.map(({ path }) => path);
  const discovering = (options = {}) => {
    const fetch: typeof globalThis.fetch = (...args) => globalThis.fetch(...args); // discovery caches by fetch
    return caller({ endpoints: undefined, audience: server.origin }, { fetch, ...options });
  };

  it("happens once, by the inner fetch, for all forms, also for concurrent ones", async () => {
    discovered(stub.metadata);
    const call = discovering();
    await Promise.all(Array.from({ length: 3 }, () => call(endpoints.token, tokenRequest())));
    for (let turn = 0; turn < 2; turn++) await call(endpoints.par, tokenRequest());
    expect(paths()).toEqual(["/.well-known/oauth-authorization-server", "/token", "/token", "/token", "/par", "/par"]);
    expect(server.requests[0]?.headers).not.toHaveProperty("dpop");
    expect(assertions().map(({ aud }) => aud)).toEqual(Array(5).fill(server.origin));
  });

  it("doesn't happen for other requests", async () => {
    discovered(stub.metadata);
    const call = discovering();
    await call(url);
    await call(url, withToken());
    expect(paths()).toEqual(["/resource", "/resource"]);
  });

  it("fails with an error that names the option endpoints, and is tried again by the next form", async () => {
    server.respondWith(respond(404));
    const call = discovering();
    expect(await errorOf(call(endpoints.token, tokenRequest()))).toMatchObject({
      name: "OAuthError",
      code: "invalid-response",
      message: expect.stringMatching(/clientAssertion\.audience .*404.*clientAssertion\.endpoints/),
    });
    discovered(() => ({ ...stub.metadata(), issuer: "https://other.example.com" }));
    expect(await errorOf(call(endpoints.token, tokenRequest()))).toMatchObject({ code: "invalid-response" });
    discovered(() => ({ issuer: server.origin }));
    expect(await errorOf(call(endpoints.token, tokenRequest()))).toMatchObject({
      message: expect.stringContaining("clientAssertion.endpoints"),
    });
    expect(paths()).not.toContain("/token");
    discovered(stub.metadata);
    expect((await discovering()(endpoints.token, tokenRequest())).status).toBe(200);
  });

  it("rejects an endpoint that is closer than the issuer, unless allowPrivateEndpoints is set", async () => {
    const issuer = "https://auth.example.com";
    const metadata = { ...stub.metadata(), issuer };
    const requested: string[] = [];
    const calling = (client: object, options = {}) => {
      const fetch = async (input: string | URL | Request) => {
        requested.push(new URL(String(input)).pathname);
        return requested.at(-1)?.startsWith("/.well-known/") ? Response.json(metadata) : Response.json({});
      };
      return caller({ endpoints: undefined, audience: issuer, ...client }, { fetch, ...options })(
        endpoints.token,
        tokenRequest(),
      );
    };
    expect(await errorOf(calling({}))).toMatchObject({
      code: "misconfigured",
      message: expect.stringMatching(/token_endpoint.*allowPrivateEndpoints/),
    });
    expect(requested).toEqual(["/.well-known/oauth-authorization-server"]);
    expect((await calling({}, { allowPrivateEndpoints: true })).status).toBe(200);
    expect((await calling({ endpoints: metadata })).status).toBe(200);
    expect(() => calling({ endpoints: metadata }, { allowPrivateEndpoints: false })).toThrow("allowPrivateEndpoints");
    expect(requested.filter((path) => path === "/token")).toHaveLength(2);
  });

  it("ends when the caller aborts", async () => {
    const controller = new AbortController();
    const reason = new Error("stopped by the caller");
    server.respondWith(() => controller.abort(reason));
    const form = { ...tokenRequest(), signal: controller.signal };
    expect(await errorOf(discovering()(endpoints.token, form))).toBe(reason);
  });
});

describe("requests that are rejected", () => {
  const rejectionOf = async (init: RequestInit, more = {}) => {
    inTurn(granted);
    const error = await errorOf(caller(more)(endpoints.token, init));
    expect(server.requests).toEqual([]);
    return error;
  };

  it.each([
    ["a client secret", tokenRequest({ client_secret: "s3cr3t" }), /client_secret.*None\(\)/],
    ["Basic", { ...tokenRequest(), headers: { authorization: "Basic YTpzM2NyM3Q=" } }, /Authorization.*None\(\)/],
    ["another client", tokenRequest({ client_id: "other" }), /other.*my-agent.*clientAssertion\.clientId/],
  ])("are forms with %s, with an error that says what to change", async (_, init, message) => {
    const error = await rejectionOf(init);
    expect(error).toMatchObject({ name: "OAuthError", code: "misconfigured", message: expect.stringMatching(message) });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/s3cr3t|YTpz/);
  });

  it("are forms in a stream that is longer than maxBufferedBody", async () => {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const cancel = vi.fn();
    const pull = (stream: ReadableStreamDefaultController) => stream.enqueue(Buffer.from("a=".padEnd(3000, "b")));
    const body = new ReadableStream({ pull, cancel });
    const call = caller({}, { maxBufferedBody: 1000 });
    inTurn(granted);
    const error = await errorOf(call(endpoints.token, { method: "POST", headers, body, duplex: "half" }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("maxBufferedBody") });
    expect(server.requests).toEqual([]);
    expect(cancel).toHaveBeenCalledOnce();
  });

  it("are forms that can't be signed, with the key's error", async () => {
    const signer = MemorySigner.generate();
    await signer.close();
    expect(await rejectionOf(tokenRequest(), { signer })).toMatchObject({ name: "SignerError" });
  });

  it.each([301, 302, 303, 307, 308])("are redirects with status %d, even within the origin", async (status) => {
    inTurn(respond(status, { location: "/par" }), granted);
    expect(await errorOf(caller()(endpoints.token, tokenRequest()))).toMatchObject({
      code: "redirect",
      message: expect.stringContaining("final URL"),
    });
    expect(server.requests).toHaveLength(1);
    inTurn(respond(status, { location: elsewhere.origin }));
    expect(await errorOf(caller()(endpoints.token, tokenRequest()))).toMatchObject({ code: "redirect" });
    const manual = await caller()(endpoints.token, { ...tokenRequest(), redirect: "manual" });
    expect(manual.status).toBe(status);
  });

  it("doesn't show the assertion or proof in an error", async () => {
    inTurn(respond(307, { location: "/par" }));
    const error = await errorOf(caller()(endpoints.token, tokenRequest()));
    expect(inspect(error, { depth: 10, showHidden: true })).not.toMatch(/eyJ/);
  });

  const metadata: ServerMetadata = { issuer: "https://auth.example.com", token_endpoint: "https://auth.example.com/t" };
  it.each([
    ["a signer", { signer: {} as never }, "clientAssertion.signer"],
    ["a key id that is a string", { keyId: 1 as never }, "clientAssertion.keyId"],
    [
      "a list of endpoints, or metadata",
      { endpoints: "https://a.example/t" as never, audience: "urn:as" },
      "endpoints",
    ],
    ["endpoints that aren't null", { endpoints: null as never, audience: "urn:as" }, "endpoints"],
    ["a client id", { clientId: "" }, "clientAssertion.clientId"],
    ["an audience", { audience: "" }, "clientAssertion.audience"],
    ["an audience or endpoints", { endpoints: undefined }, "audience"],
    [
      "an audience that is a URL, or endpoints",
      { endpoints: undefined, audience: "urn:as" },
      "clientAssertion.endpoints",
    ],
    ["an https: audience", { endpoints: undefined, audience: "http://auth.example.com" }, "not https"],
    ["an audience for a list of endpoints", { endpoints: ["https://auth.example.com/t"] }, "audience"],
    ["an endpoint", { endpoints: [], audience: "urn:as" }, "endpoint"],
    ["an endpoint in the metadata", { endpoints: { issuer: "https://auth.example.com" } }, "endpoint"],
    ["https: endpoints", { endpoints: ["http://auth.example.com/t"], audience: "urn:as" }, "not https"],
    [
      "https: endpoints in the metadata",
      { endpoints: { ...metadata, token_endpoint: "http://a.example/t" } },
      "not https",
    ],
    ["endpoints without a user name", { endpoints: ["https://u:p@a.example/t"], audience: "urn:as" }, "plain URL"],
    ["metadata of the right type", { endpoints: { ...metadata, token_endpoint: 1 as never } }, "token_endpoint"],
  ])("needs %s", (_, assertion, message) => {
    const create = () => caller(assertion);
    expect(create).toThrow(OAuthError);
    expect(create).toThrow(
      expect.objectContaining({ code: "misconfigured", message: expect.stringContaining(message) }),
    );
  });

  it("accepts http: for any host with allowInsecure", async () => {
    const fetch = vi.fn(async () => new Response());
    const assertion = { endpoints: ["http://auth.example.com/t"], audience: "urn:as" };
    await caller(assertion, { fetch, allowInsecure: true })("http://auth.example.com/t", tokenRequest());
    expect(fetch.mock.calls[0]).toMatchObject([expect.anything(), { body: expect.any(URLSearchParams) }]);
  });
});
