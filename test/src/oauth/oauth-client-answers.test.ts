/** What the token client makes of each kind of answer, and what it sends. */
import { inspect } from "node:util";
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
const ask = (more: Partial<TokenRequest> = {}, options: Partial<OAuthClientOptions> = {}) =>
  new OAuthClient({ baseUrl: server.origin, ...options }).getTokenWithDPoP({
    grantType: "client_credentials",
    dpopProver: prover,
    clientId: "my-agent",
    clientSecret: SECRET,
    ...more,
  });
const refused = (asking: Promise<unknown>): Promise<OAuthError> =>
  asking.then(
    () => expect.unreachable(),
    (error) => error,
  );
const bearer = { access_token: "opaque", token_type: "bearer" };
const nonceOf = (proof: unknown) => decodeJwt(String(proof)).nonce;
const jwtFor = (jkt: string) =>
  new SignJWT({ cnf: { jkt } }).setProtectedHeader({ alg: "HS256" }).sign(Buffer.alloc(32));

describe("what is sent", () => {
  it("posts the form to /oauth/token in the order of the contract", async () => {
    server.respondWith(json(200, bearer));
    await ask({ scope: "read write", extra: { code: "c 1", resource: ["a", "b"], gone: null, left: undefined, n: 5 } });
    const [requests] = server.requests;
    expect(requests?.path).toBe("/oauth/token");
    expect(requests?.body).toBe(
      `grant_type=client_credentials&client_id=my-agent&client_secret=${SECRET}&scope=read+write&code=c+1&resource=a&resource=b&n=5`,
    );
  });

  it("leaves out what is not given, and sends an empty string", async () => {
    server.respondWith(json(200, bearer));
    await ask({ clientSecret: undefined });
    await ask({ clientSecret: "", scope: "" });
    expect(server.requests.map(({ body }) => body)).toEqual([
      "grant_type=client_credentials&client_id=my-agent",
      "grant_type=client_credentials&client_id=my-agent&client_secret=&scope=",
    ]);
  });

  it("sends a proof for POST and this URL (RFC 9449 §5)", async () => {
    server.respondWith(json(200, bearer));
    await ask();
    const proof = String(server.requests[0]?.headers.dpop);
    expect(decodeProtectedHeader(proof)).toEqual({ typ: "dpop+jwt", alg: "ES256", jwk: prover.publicJwk });
    expect(decodeJwt(proof)).toMatchObject({ htm: "POST", htu: `${server.origin}/oauth/token` });
    expect(decodeJwt(proof)).not.toHaveProperty("nonce");
  });

  it.each(["grant_type", "client_id", "client_secret", "scope"])(
    "refuses an extra that would override %s",
    async (name) => {
      server.respondWith(json(200, bearer));
      expect(await refused(ask({ extra: { [name]: "x" } }))).toMatchObject({ code: "misconfigured" });
      expect(server.requests).toEqual([]);
    },
  );

  it("takes an extra by any name that is not taken, toString too", async () => {
    server.respondWith(json(200, bearer));
    await ask({ extra: { toString: "x" as never } });
    expect(server.requests[0]?.form.get("toString")).toBe("x");
  });

  it("refuses extras that have no text of their own", async () => {
    expect(await refused(ask({ extra: { claims: { a: 1 } as never } }))).toMatchObject({ code: "misconfigured" });
  });

  it.each([
    ["http://auth.example.com", "is not https"],
    ["ftp://auth.example.com", "https"],
    ["auth.example.com", "https"],
    ["https://user:pass@auth.example.com", "plain URL"],
    ["https://auth.example.com/?a=1", "plain URL"],
  ])("refuses the base URL %s", (baseUrl, why) => {
    expect(() => new OAuthClient({ baseUrl })).toThrow(why);
    expect(() => new OAuthClient({ baseUrl })).not.toThrow(/user:|pass@/);
  });

  it.each(["http://localhost:1", "http://127.1.2.3", "http://[::1]:80", "https://auth.example.com/tenant/"])(
    "takes the base URL %s",
    (baseUrl) => {
      expect(new OAuthClient({ baseUrl })).toBeInstanceOf(OAuthClient);
    },
  );

  it("takes http: for any host where allowInsecure is set", () => {
    expect(new OAuthClient({ baseUrl: "http://auth.example.com", allowInsecure: true })).toBeInstanceOf(OAuthClient);
  });

  it.each([
    { clientAuth: "none", clientSecret: SECRET },
    { clientAuth: "client_secret_basic", clientSecret: undefined },
    { clientAuth: "client_secret_post", clientSecret: undefined },
  ] as const)("refuses $clientAuth where the secret does not fit it", async ({ clientAuth, clientSecret }) => {
    expect(await refused(ask({ clientSecret }, { clientAuth }))).toMatchObject({ code: "misconfigured" });
  });
});

describe("a token", () => {
  it("has the seven fields, raw the whole body", async () => {
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
    const token = await ask();
    expect({ ...token }).toEqual({
      accessToken: "opaque",
      tokenType: "DPoP",
      expiresIn: 300,
      scope: "read",
      refreshToken: "r",
      cnfJkt: prover.jkt,
      raw: body,
    });
  });

  it("says null for what the server left out, and DPoP for the type", async () => {
    server.respondWith(json(200, { access_token: "opaque" }));
    expect(await ask()).toMatchObject({
      tokenType: "DPoP",
      expiresIn: null,
      scope: null,
      refreshToken: null,
      cnfJkt: null,
    });
  });

  it("has its cnfJkt from the JWT where the body has none, whatever its type (SharkAuth says bearer)", async () => {
    server.respondWith(json(200, { ...bearer, access_token: await jwtFor(prover.jkt) }));
    expect(await ask({ requireBinding: true })).toMatchObject({ cnfJkt: prover.jkt, tokenType: "bearer" });
  });

  it("is refused if it is bound to another key, wherever that is said", async () => {
    server.respondWith(json(200, { ...bearer, cnf: { jkt: "other" } }));
    expect(await refused(ask())).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { ...bearer, access_token: await jwtFor("other") }));
    expect(await refused(ask())).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { ...bearer, access_token: await jwtFor("other"), cnf: { jkt: prover.jkt } }));
    expect(await refused(ask())).toMatchObject({ code: "binding" });
  });

  it("is refused unbound only where binding is required", async () => {
    server.respondWith(json(200, bearer));
    expect((await ask()).cnfJkt).toBeNull();
    expect(await refused(ask({ requireBinding: true }))).toMatchObject({ code: "binding" });
    expect(await refused(ask({}, { requireBinding: true }))).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { access_token: "opaque" }));
    expect(await refused(ask({ requireBinding: true }))).toMatchObject({ code: "binding" });
    server.respondWith(json(200, { ...bearer, token_type: "DPoP" }));
    expect(await ask({ requireBinding: true })).toMatchObject({ tokenType: "DPoP" });
  });

  it.each([null, 7, true, ["DPoP"], { type: "DPoP" }])("is refused if its type is %j", async (token_type) => {
    server.respondWith(json(200, { ...bearer, token_type, cnf: { jkt: prover.jkt } }));
    for (const requireBinding of [false, true])
      expect(await refused(ask({ requireBinding }))).toMatchObject({ code: "invalid-response", statusCode: 200 });
  });

  it.each(["DPoP", "dpop", "DPOP"])("is bound where its type is %s, and no key is named", async (token_type) => {
    server.respondWith(json(200, { ...bearer, token_type }));
    expect(await ask({ requireBinding: true })).toMatchObject({ tokenType: token_type, cnfJkt: null });
  });

  it("does not print itself", async () => {
    server.respondWith(json(200, { ...bearer, access_token: "very-secret", refresh_token: "more-secret" }));
    const printed = inspect(await ask(), { depth: 10, showHidden: true });
    expect(printed).not.toMatch(/very-secret|more-secret/);
    expect(JSON.stringify(await ask())).toContain("very-secret");
  });
});

describe("an error", () => {
  it.each([
    [401, { error: "invalid_client", error_description: "bad secret" }, "invalid_client", "bad secret"],
    [500, { error: "server_error" }, "server_error", null],
    [403, { error: { code: "forbidden", message: "no agent" } }, "forbidden", "no agent"],
    [400, { message: "odd" }, "token_request_failed", '{"message":"odd"}'],
  ])("of status %d", async (status, body, error, errorDescription) => {
    server.respondWith(json(status, body));
    const caught = await refused(ask());
    expect(caught).toBeInstanceOf(OAuthError);
    expect(caught).toMatchObject({ code: "refused", error, errorDescription, statusCode: status });
    expect(caught.response?.status).toBe(status);
  });

  it("that is no JSON gives its raw text, and null if it is empty", async () => {
    server.respondWith((response) => response.writeHead(502).end("Bad gateway"));
    expect(await refused(ask())).toMatchObject({ error: "token_request_failed", errorDescription: "Bad gateway" });
    server.respondWith((response) => response.writeHead(502).end());
    expect(await refused(ask())).toMatchObject({ error: "token_request_failed", errorDescription: null });
  });

  it.each(['{"token":1}', "[]", "null", "oops", "", '{"access_token":5}', '{"access_token":""}'])(
    "is what a 200 with the body %j is",
    async (body) => {
      server.respondWith((response) => response.writeHead(200).end(body));
      expect(await refused(ask())).toMatchObject({ name: "OAuthError", code: "invalid-response", statusCode: 200 });
    },
  );

  it("does not repeat the secrets that a server repeats", async () => {
    const proofs: string[] = [];
    server.respondWith((response, { headers, body }) => {
      proofs.push(String(headers.dpop));
      response.writeHead(400).end(`${body} ${headers.authorization}`);
    });
    const post = await refused(ask({ extra: { refresh_token: "long-lived" } }));
    const basic = await refused(ask({}, { clientAuth: "client_secret_basic" }));
    const header = Buffer.from(`my-agent:${SECRET}`).toString("base64");
    for (const error of [post, basic])
      for (const secret of [SECRET, "long-lived", header])
        expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(secret);
  });

  it.each(["client_secret_basic", "client_secret_post"] as const)(
    "does not repeat the secret that a server has decoded out of %s, or quotes as it came",
    async (clientAuth) => {
      const clientSecret = 's3cr3t of/the "agent"';
      server.respondWith((response, request, turn) => {
        const pair = Buffer.from(request.headers.authorization?.split(" ")[1] ?? "", "base64").toString();
        const sent = pair.split(":")[1] ?? /client_secret=([^&]*)/.exec(request.body)?.[1];
        const decoded = new URLSearchParams(`secret=${sent}`).get("secret");
        const error_description = `no client has ${decoded}, ${sent} or ${JSON.stringify(decoded)}`;
        json(401, { error: "invalid_client", error_description })(response, request, turn);
      });
      const { message, errorDescription } = await refused(ask({ clientSecret }, { clientAuth }));
      expect(errorDescription).toBe('no client has [redacted], [redacted] or "[redacted]"');
      expect(message).not.toContain("s3cr3t");
    },
  );

  it("keeps a code that a specification names, and its words, whatever short ones were sent", async () => {
    const words = { error: "invalid_client", error_description: "no such client at this endpoint" };
    server.respondWith(json(401, words));
    const inWords = { ui_locales: "en", max_age: 1, prompt: "login", hint: "client", display: "at" };
    const pushed = new OAuthClient({ baseUrl: server.origin }).authorizationUrl({
      dpopProver: prover,
      clientId: "my-agent",
      redirectUri: "http://127.0.0.1/callback",
      pushed: true,
      extra: inWords,
    });
    for (const asking of [pushed, ask({ extra: inWords })])
      expect(await refused(asking)).toMatchObject({
        error: "invalid_client",
        errorDescription: words.error_description,
      });
    expect(await refused(ask({ clientSecret: "client" }))).toMatchObject({
      error: "invalid_client",
      errorDescription: "no such [redacted] at this endpoint",
    });
    server.respondWith(json(503, {}));
    expect(await refused(ask({ clientSecret: "token" }))).toMatchObject({ error: "token_request_failed" });
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
  ])("does not repeat a %s, however short it is, in a code of the server's own either", async (name) => {
    server.respondWith(json(400, { error: "bad_7x", error_description: "it is 7x" }));
    expect(await refused(ask({ extra: { [name]: "7x" } }))).toMatchObject({
      error: "bad_[redacted]",
      errorDescription: "it is [redacted]",
    });
  });

  it("does not repeat what was sent in a field of any other name, if it is long enough for a secret", async () => {
    server.respondWith(json(400, { error: "bad_12345678", error_description: "12345678, not 1234567" }));
    expect(await refused(ask({ extra: { a: "12345678", b: "1234567" } }))).toMatchObject({
      error: "bad_[redacted]",
      errorDescription: "[redacted], not 1234567",
    });
  });
});

describe("nonces (RFC 9449 §8)", () => {
  it.each([400, 401])("a challenge with %d is answered once, with a fresh proof", async (status) => {
    server.respondWith((response, request, turn) =>
      turn === 1
        ? json(status, { error: "use_dpop_nonce" }, { "dpop-nonce": "n1" })(response, request, turn)
        : json(200, bearer)(response, request, turn),
    );
    await ask();
    const [first, second] = server.requests.map(({ headers }) => String(headers.dpop));
    expect([nonceOf(first), nonceOf(second)]).toEqual([undefined, "n1"]);
    expect(decodeJwt(first ?? "").jti).not.toBe(decodeJwt(second ?? "").jti);
  });

  it("a challenge for ever ends after the second request", async () => {
    server.respondWith(json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "again" }));
    expect(await refused(ask())).toMatchObject({ error: "use_dpop_nonce" });
    expect(server.requests).toHaveLength(2);
  });

  it("a challenge without a nonce is not answered", async () => {
    server.respondWith(json(400, { error: "use_dpop_nonce" }));
    expect(await refused(ask())).toMatchObject({ error: "use_dpop_nonce" });
    expect(server.requests).toHaveLength(1);
  });

  it("are taken from every answer, a 200 and an error too; what can't be one is not taken", async () => {
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
  it.each([301, 302, 303, 307, 308])("a %d is refused, and nothing is sent on", async (status) => {
    elsewhere.respondWith(json(200, bearer));
    server.respondWith((response) => response.writeHead(status, { location: `${elsewhere.origin}/oauth/token` }).end());
    expect(await refused(ask())).toMatchObject({ code: "redirect", statusCode: status });
    expect(elsewhere.requests).toEqual([]);
  });

  it("an answer over 1 MiB is refused", async () => {
    const endless = Buffer.alloc(64 * 1024, " ");
    server.respondWith((response) => {
      const pour = () => {
        while (!response.destroyed && response.write(endless));
        if (!response.destroyed) response.once("drain", pour);
      };
      pour();
    });
    expect(await refused(ask())).toMatchObject({ code: "too-large" });
  });

  it("an answer that does not come ends with the time-out", async () => {
    server.respondWith(() => undefined);
    expect(await refused(ask({}, { timeout: 50 }))).toMatchObject({ code: "timeout", statusCode: null });
  });

  it.each([Number.POSITIVE_INFINITY, 2 ** 40])("a time-out of %d is no time-out of nothing", async (timeout) => {
    server.respondWith(json(200, bearer));
    expect(await ask({}, { timeout })).toMatchObject({ accessToken: "opaque" });
  });

  it("a body that stops half-way ends with the time-out", async () => {
    server.respondWith((response) => response.writeHead(200).write('{"access_'));
    expect(await refused(ask({}, { timeout: 50 }))).toMatchObject({ code: "timeout" });
  });

  it("a connection that breaks is unreachable, with the reason", async () => {
    server.respondWith((response) => response.destroy());
    expect(await refused(ask())).toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("other side closed"),
    });
  });

  it("an abort ends it, before or during", async () => {
    server.respondWith(() => controller.abort());
    const controller = new AbortController();
    expect(await refused(ask({ signal: controller.signal }))).toMatchObject({ code: "aborted" });
    expect(server.requests).toHaveLength(1);
    expect(await refused(ask({ signal: controller.signal }))).toMatchObject({ code: "aborted" });
    expect(server.requests).toHaveLength(1);
  });

  it("an injected fetch is used, and a deaf one still ends", async () => {
    const deaf = () => new Promise<Response>(() => undefined);
    expect(await refused(ask({}, { fetch: deaf, timeout: 50 }))).toMatchObject({ code: "timeout" });
    const canned = async () => Response.json(bearer);
    expect(await ask({}, { fetch: canned })).toMatchObject({ accessToken: "opaque" });
  });
});
