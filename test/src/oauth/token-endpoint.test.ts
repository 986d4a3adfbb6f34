/** Token requests and how each kind of response is handled, with a stub server. */
import { format, inspect } from "node:util";
import { DPoPProver, OAuthClient, type OAuthClientOptions, OAuthError, type TokenRequest } from "hardproof";
import { decodeJwt, decodeProtectedHeader, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let elsewhere: StubServer;
let prover: DPoPProver;
beforeAll(async () => {
  [server, elsewhere, prover] = await Promise.all([stubServer(), stubServer(), DPoPProver.generate()]);
});
afterAll(() => Promise.all([server.close(), elsewhere.close()]));

const SECRET = "s3cr3t-of-the-agent";
const requestToken = (more: Partial<TokenRequest> = {}, options: Partial<OAuthClientOptions> = {}) =>
  new OAuthClient({ baseUrl: server.origin, ...options }).getTokenWithDPoP({
    grantType: "client_credentials",
    dpopProver: prover,
    clientId: "my-agent",
    clientSecret: SECRET,
    ...more,
  });
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const bearer = { access_token: "opaque", token_type: "bearer" };
const nonceOf = (proof: unknown) => decodeJwt(String(proof)).nonce;
const jwtFor = (jkt: string) =>
  new SignJWT({ cnf: { jkt } }).setProtectedHeader({ alg: "HS256" }).sign(Buffer.alloc(32));

describe("token requests", () => {
  it("posts the form to /oauth/token with its fields in a fixed order", async () => {
    server.respondWith(json(200, bearer));
    await requestToken({
      scope: "read write",
      extra: { code: "c 1", resource: ["a", "b"], x: null, y: undefined, n: 5 },
    });
    const [request] = server.requests;
    expect(request?.path).toBe("/oauth/token");
    expect(request?.body).toBe(
      `grant_type=client_credentials&client_id=my-agent&client_secret=${SECRET}&scope=read+write&code=c+1&resource=a&resource=b&n=5`,
    );
  });

  it("omits undefined fields, and sends empty ones", async () => {
    server.respondWith(json(200, bearer));
    await requestToken({ clientSecret: undefined });
    await requestToken({ clientSecret: "", scope: "" });
    expect(server.requests.map(({ body }) => body)).toEqual([
      "grant_type=client_credentials&client_id=my-agent",
      "grant_type=client_credentials&client_id=my-agent&client_secret=&scope=",
    ]);
  });

  it("sends a proof for POST and this URL (RFC 9449 §5)", async () => {
    server.respondWith(json(200, bearer));
    await requestToken();
    const proof = String(server.requests[0]?.headers.dpop);
    expect(decodeProtectedHeader(proof)).toEqual({ typ: "dpop+jwt", alg: "ES256", jwk: prover.publicJwk });
    expect(decodeJwt(proof)).toMatchObject({ htm: "POST", htu: `${server.origin}/oauth/token` });
    expect(decodeJwt(proof)).not.toHaveProperty("nonce");
  });

  it.each(["grant_type", "client_id", "client_secret", "scope"])(
    "rejects an extra field that would override %s",
    async (name) => {
      server.respondWith(json(200, bearer));
      expect(await errorOf(requestToken({ extra: { [name]: "x" } }))).toMatchObject({ code: "misconfigured" });
      expect(server.requests).toEqual([]);
    },
  );

  it("accepts any other name of an extra field, even toString", async () => {
    server.respondWith(json(200, bearer));
    await requestToken({ extra: { toString: "x" as never } });
    expect(server.requests[0]?.form.get("toString")).toBe("x");
  });

  it("rejects an object as the value of an extra field", async () => {
    expect(await errorOf(requestToken({ extra: { claims: { a: 1 } as never } }))).toMatchObject({
      code: "misconfigured",
    });
  });

  it.each([
    ["http://auth.example.com", "is not https"],
    ["ftp://auth.example.com", "https"],
    ["auth.example.com", "https"],
    ["https://user:pass@auth.example.com", "plain URL"],
    ["https://auth.example.com/?a=1", "plain URL"],
  ])("rejects the base URL %s", (baseUrl, problem) => {
    expect(() => new OAuthClient({ baseUrl })).toThrow(problem);
    expect(() => new OAuthClient({ baseUrl })).not.toThrow(/user:|pass@/);
  });

  it.each(["http://localhost:1", "http://127.1.2.3", "http://[::1]:80", "https://auth.example.com/tenant/"])(
    "accepts the base URL %s",
    (baseUrl) => {
      expect(new OAuthClient({ baseUrl })).toBeInstanceOf(OAuthClient);
    },
  );

  it("accepts http: for any host with allowInsecure", () => {
    expect(new OAuthClient({ baseUrl: "http://auth.example.com", allowInsecure: true })).toBeInstanceOf(OAuthClient);
  });

  it.each([
    { clientAuth: "none", clientSecret: SECRET },
    { clientAuth: "client_secret_basic", clientSecret: undefined },
    { clientAuth: "client_secret_post", clientSecret: undefined },
  ] as const)("rejects $clientAuth with the secret $clientSecret", async ({ clientAuth, clientSecret }) => {
    expect(await errorOf(requestToken({ clientSecret }, { clientAuth }))).toMatchObject({ code: "misconfigured" });
  });
});

describe("token responses", () => {
  it("returns all fields of a token, with the whole body as raw", async () => {
    const body = {
      ...bearer,
      token_type: "DPoP",
      expires_in: 300,
      scope: "read",
      refresh_token: "r",
      cnf: { jkt: prover.jkt },
      x: [1],
    };
    server.respondWith(json(200, body));
    const token = await requestToken();
    expect(token).toMatchObject({ accessToken: "opaque", refreshToken: "r", raw: body, actors: [] });
    expect({ ...token }).toEqual({
      tokenType: "DPoP",
      expiresIn: 300,
      expiresAt: expect.any(Number),
      scope: "read",
      idTokenClaims: null,
      cnfJkt: prover.jkt,
      cnfX5t: null,
    });
  });

  it("returns null for missing fields, and DPoP for a missing token type", async () => {
    server.respondWith(json(200, { access_token: "opaque" }));
    expect(await requestToken()).toMatchObject({
      tokenType: "DPoP",
      expiresIn: null,
      scope: null,
      refreshToken: null,
      cnfJkt: null,
    });
  });

  it("reads cnfJkt from a JWT access token if the body lacks it, even for the type bearer (as SharkAuth returns)", async () => {
    server.respondWith(json(200, { ...bearer, access_token: await jwtFor(prover.jkt) }));
    expect(await requestToken({ requireBinding: true })).toMatchObject({ cnfJkt: prover.jkt, tokenType: "bearer" });
  });

  it("rejects a token that is bound to a different key, by its body or its JWT", async () => {
    server.respondWith(json(200, { ...bearer, cnf: { jkt: "other" } }));
    expect(await errorOf(requestToken())).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { ...bearer, access_token: await jwtFor("other") }));
    expect(await errorOf(requestToken())).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { ...bearer, access_token: await jwtFor("other"), cnf: { jkt: prover.jkt } }));
    expect(await errorOf(requestToken())).toMatchObject({ code: "binding" });
  });

  it("rejects an unbound token only if binding is required", async () => {
    server.respondWith(json(200, bearer));
    expect((await requestToken()).cnfJkt).toBeNull();
    expect(await errorOf(requestToken({ requireBinding: true }))).toMatchObject({ code: "binding" });
    expect(await errorOf(requestToken({}, { requireBinding: true }))).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { access_token: "opaque" }));
    expect(await errorOf(requestToken({ requireBinding: true }))).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { ...bearer, token_type: "DPoP" }));
    expect(await requestToken({ requireBinding: true })).toMatchObject({ tokenType: "DPoP" });
  });

  it.each([null, 7, true, ["DPoP"], { type: "DPoP" }])(
    "rejects a token with the malformed type %j",
    async (token_type) => {
      server.respondWith(json(200, { ...bearer, token_type, cnf: { jkt: prover.jkt } }));
      for (const requireBinding of [false, true])
        expect(await errorOf(requestToken({ requireBinding }))).toMatchObject({
          code: "invalid-response",
          statusCode: 200,
        });
    },
  );

  it.each(["DPoP", "dpop", "DPOP"])(
    "accepts a token with the type %s as bound even without a thumbprint",
    async (token_type) => {
      server.respondWith(json(200, { ...bearer, token_type }));
      expect(await requestToken({ requireBinding: true })).toMatchObject({ tokenType: token_type, cnfJkt: null });
    },
  );

  it("doesn't print a token's secrets", async () => {
    server.respondWith(json(200, { ...bearer, access_token: "very-secret", refresh_token: "more-secret" }));
    const printed = inspect(await requestToken(), { depth: 10, showHidden: true });
    expect(printed).not.toMatch(/very-secret|more-secret/);
    const token = await requestToken();
    expect(format("%o %O %j", token, token, token)).not.toMatch(/very-secret|more-secret/);
    expect(inspect(token, { customInspect: false, showHidden: true })).not.toMatch(/very-secret|more-secret/);
    expect(JSON.stringify([token, { ...token }])).not.toMatch(/very-secret|more-secret/);
    expect(JSON.stringify(token.raw)).toContain("very-secret");
  });
});

it.each([
  ["a page", "<html>Log in to this network</html>"],
  ["nothing", ""],
  ["a form", "access_token=t&token_type=DPoP"],
])("says that a successful response with %s isn't JSON", async (_, body) => {
  server.respondWith((response) => response.writeHead(200).end(body));
  const { code, message } = await errorOf(requestToken());
  expect({ code, message }).toEqual({
    code: "invalid-response",
    message: expect.stringMatching(/isn't a JSON object.*Check the URL/),
  });
});

describe("error responses", () => {
  it.each([
    [401, { error: "invalid_client", error_description: "bad secret" }, "invalid_client", "bad secret"],
    [500, { error: "server_error" }, "server_error", null],
    [403, { error: { code: "forbidden", message: "no agent" } }, "forbidden", "no agent"],
    [400, { message: "odd" }, "token_request_failed", "odd"],
  ])("reads the error of a response with status %d", async (status, body, error, errorDescription) => {
    server.respondWith(json(status, body));
    const caught = await errorOf(requestToken());
    expect(caught).toBeInstanceOf(OAuthError);
    expect(caught).toMatchObject({ code: "refused", error, errorDescription, statusCode: status });
    expect(caught.response?.status).toBe(status);
  });

  it("uses a body that isn't JSON as the description, and null if it is empty", async () => {
    server.respondWith((response) => response.writeHead(502).end("Bad gateway"));
    expect(await errorOf(requestToken())).toMatchObject({
      error: "token_request_failed",
      errorDescription: "Bad gateway",
    });
    server.respondWith((response) => response.writeHead(502).end());
    expect(await errorOf(requestToken())).toMatchObject({ error: "token_request_failed", errorDescription: null });
  });

  it.each(['{"token":1}', "[]", "null", "oops", "", '{"access_token":5}', '{"access_token":""}'])(
    "rejects a 200 with the body %j",
    async (body) => {
      server.respondWith((response) => response.writeHead(200).end(body));
      expect(await errorOf(requestToken())).toMatchObject({
        name: "OAuthError",
        code: "invalid-response",
        statusCode: 200,
      });
    },
  );

  it("redacts secrets that the server repeats", async () => {
    const proofs: string[] = [];
    server.respondWith((response, { headers, body }) => {
      proofs.push(String(headers.dpop));
      response.writeHead(400).end(`${body} ${headers.authorization}`);
    });
    const post = await errorOf(requestToken({ extra: { refresh_token: "long-lived" } }));
    const basic = await errorOf(requestToken({}, { clientAuth: "client_secret_basic" }));
    const header = Buffer.from(`my-agent:${SECRET}`).toString("base64");
    for (const error of [post, basic])
      for (const secret of [SECRET, "long-lived", header])
        expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(secret);
  });

  it.each(["client_secret_basic", "client_secret_post"] as const)(
    "redacts a secret that the server repeats decoded or quoted from %s",
    async (clientAuth) => {
      const clientSecret = 's3cr3t of/the "agent"';
      server.respondWith((response, request, turn) => {
        const pair = Buffer.from(request.headers.authorization?.split(" ")[1] ?? "", "base64").toString();
        const sent = pair.split(":")[1] ?? /client_secret=([^&]*)/.exec(request.body)?.[1];
        const decoded = new URLSearchParams(`secret=${sent}`).get("secret");
        const error_description = `no client has ${decoded}, ${sent} or ${JSON.stringify(decoded)}`;
        json(401, { error: "invalid_client", error_description })(response, request, turn);
      });
      const { message, errorDescription } = await errorOf(requestToken({ clientSecret }, { clientAuth }));
      expect(errorDescription).toBe('no client has [redacted], [redacted] or "[redacted]"');
      expect(message).not.toContain("s3cr3t");
    },
  );

  it("doesn't redact standard error codes, or short values of other fields", async () => {
    const body = { error: "invalid_client", error_description: "no such client at this endpoint" };
    server.respondWith(json(401, body));
    const shortValues = { ui_locales: "en", max_age: 1, prompt: "login", hint: "client", display: "at" };
    const push = () =>
      new OAuthClient({ baseUrl: server.origin }).authorizationUrl({
        dpopProver: prover,
        clientId: "my-agent",
        redirectUri: "http://127.0.0.1/callback",
        pushed: true,
        maxAge: 1,
        extra: { ...shortValues, max_age: undefined },
      });
    for (const request of [push, () => requestToken({ extra: shortValues })])
      expect(await errorOf(request())).toMatchObject({
        error: "invalid_client",
        errorDescription: body.error_description,
      });
    expect(await errorOf(requestToken({ clientSecret: "client" }))).toMatchObject({
      error: "invalid_client",
      errorDescription: "no such [redacted] at this endpoint",
    });
    server.respondWith(json(503, {}));
    expect(await errorOf(requestToken({ clientSecret: "token" }))).toMatchObject({ error: "token_request_failed" });
  });

  it.each([
    "password",
    "refresh_token",
    "code",
    "code_verifier",
    "device_code",
    "assertion",
    "subject_token",
    "user_pin",
  ])("redacts a %s however short it is, even in a nonstandard error code", async (name) => {
    server.respondWith(json(400, { error: "bad_7x", error_description: "it is 7x" }));
    expect(await errorOf(requestToken({ extra: { [name]: "7x" } }))).toMatchObject({
      error: "bad_[redacted]",
      errorDescription: "it is [redacted]",
    });
  });

  it("redacts the values of other fields only from eight characters on", async () => {
    server.respondWith(json(400, { error: "bad_12345678", error_description: "12345678, not 1234567" }));
    expect(await errorOf(requestToken({ extra: { a: "12345678", b: "1234567" } }))).toMatchObject({
      error: "bad_[redacted]",
      errorDescription: "[redacted], not 1234567",
    });
  });
});

describe("nonces (RFC 9449 §8)", () => {
  it.each([400, 401, 403, 422])(
    "retries once with a new proof after a nonce challenge with status %d",
    async (status) => {
      server.respondWith((response, request, turn) =>
        turn === 1
          ? json(status, { error: "use_dpop_nonce" }, { "dpop-nonce": "n1" })(response, request, turn)
          : json(200, bearer)(response, request, turn),
      );
      await requestToken();
      const [first, second] = server.requests.map(({ headers }) => String(headers.dpop));
      expect([nonceOf(first), nonceOf(second)]).toEqual([undefined, "n1"]);
      expect(decodeJwt(first ?? "").jti).not.toBe(decodeJwt(second ?? "").jti);
    },
  );

  it("stops after one retry if the server challenges again", async () => {
    server.respondWith(json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "again" }));
    expect(await errorOf(requestToken())).toMatchObject({ error: "use_dpop_nonce" });
    expect(server.requests).toHaveLength(2);
  });

  it("doesn't retry after a challenge without a nonce", async () => {
    server.respondWith(json(400, { error: "use_dpop_nonce" }));
    expect(await errorOf(requestToken())).toMatchObject({ error: "use_dpop_nonce" });
    expect(server.requests).toHaveLength(1);
  });

  it("caches nonces from every response, and ignores malformed ones", async () => {
    const client = new OAuthClient({ baseUrl: server.origin });
    const get = () =>
      client.getTokenWithDPoP({ grantType: "x", dpopProver: prover, clientId: "c" }).catch(() => undefined);
    server.respondWith((response, request, turn) =>
      json(turn === 2 ? 500 : 200, bearer, turn < 4 ? { "dpop-nonce": ["n1", "n2", 'bad"nonce'][turn - 1] ?? "" } : {})(
        response,
        request,
        turn,
      ),
    );
    for (let turn = 0; turn < 4; turn++) await get();
    expect(server.requests.map(({ headers }) => nonceOf(headers.dpop))).toEqual([undefined, "n1", "n2", "n2"]);
  });
});

describe("redirects, limits and aborts", () => {
  it.each([301, 302, 303, 307, 308])("rejects a %d without following it", async (status) => {
    elsewhere.respondWith(json(200, bearer));
    server.respondWith((response) => response.writeHead(status, { location: `${elsewhere.origin}/oauth/token` }).end());
    expect(await errorOf(requestToken())).toMatchObject({ code: "redirect", statusCode: status });
    expect(elsewhere.requests).toEqual([]);
  });

  it("rejects a response larger than 1 MiB", async () => {
    const endless = Buffer.alloc(64 * 1024, " ");
    server.respondWith((response) => {
      const pour = () => {
        while (!response.destroyed && response.write(endless));
        if (!response.destroyed) response.once("drain", pour);
      };
      pour();
    });
    expect(await errorOf(requestToken())).toMatchObject({ code: "too-large" });
  });

  it("throws timeout if there is no response", async () => {
    server.respondWith(() => undefined);
    expect(await errorOf(requestToken({}, { timeout: 50 }))).toMatchObject({ code: "timeout", statusCode: null });
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 40])(
    "accepts a timeout of %d, which is longer than a timer can be",
    async (timeout) => {
      server.respondWith(json(200, bearer));
      expect(await requestToken({}, { timeout })).toMatchObject({ accessToken: "opaque" });
    },
  );

  it("throws timeout if the body stops half-way", async () => {
    server.respondWith((response) => response.writeHead(200).write('{"access_'));
    expect(await errorOf(requestToken({}, { timeout: 50 }))).toMatchObject({ code: "timeout" });
  });

  it("throws unreachable with the reason if the connection breaks", async () => {
    server.respondWith((response) => response.destroy());
    expect(await errorOf(requestToken())).toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("other side closed"),
    });
  });

  it("throws aborted if the caller aborts before or during the request", async () => {
    server.respondWith(() => controller.abort());
    const controller = new AbortController();
    expect(await errorOf(requestToken({ signal: controller.signal }))).toMatchObject({ code: "aborted" });
    expect(server.requests).toHaveLength(1);
    expect(await errorOf(requestToken({ signal: controller.signal }))).toMatchObject({ code: "aborted" });
    expect(server.requests).toHaveLength(1);
  });

  it("uses a custom fetch, and stops waiting for one that ignores its signal", async () => {
    const hanging = () => new Promise<Response>(() => undefined);
    expect(await errorOf(requestToken({}, { fetch: hanging, timeout: 50 }))).toMatchObject({ code: "timeout" });
    const canned = async () => Response.json(bearer);
    expect(await requestToken({}, { fetch: canned })).toMatchObject({ accessToken: "opaque" });
  });
});
