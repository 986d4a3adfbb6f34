/** How servers write their errors: with status 200, in a challenge, or in another form than that of RFC 6749 §5.2. */
import fc from "fast-check";
import { DPoPProver, OAuthClient, type OAuthError } from "hardproof";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseObject } from "../../../src/oauth/http.js";
import { readError } from "../../../src/oauth/server-error.js";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let prover: DPoPProver;
let client: OAuthClient;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
  client = new OAuthClient({ baseUrl: server.origin });
});
afterAll(() => server.close());

const agent = () => ({ clientId: "my-agent", dpopProver: prover });
const refused = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("an error with status 200", () => {
  const body = { error: "invalid_scope", error_description: "no such scope" };
  const error = { code: "refused", statusCode: 200, error: "invalid_scope", errorDescription: "no such scope" };

  it("is thrown with the server's words, whatever the endpoint", async () => {
    server.respondWith(json(200, body));
    const token = { ...agent(), token: "t" };
    const redirectUri = "https://client.example.com/cb";
    for (const call of [
      () => client.clientCredentials(agent()),
      () => client.refresh({ ...agent(), refreshToken: "r" }),
      () => client.introspect(token),
      () => client.revoke(token),
      () => client.deviceAuthorization(agent()),
      () => client.authorizationUrl({ ...agent(), redirectUri, pushed: true }),
    ])
      expect(await refused(call())).toMatchObject(error);
  });

  it("is answered as one with status 400 if it asks for a nonce", async () => {
    server.respondWith((response, request, turn) =>
      turn === 1
        ? json(200, { error: "use_dpop_nonce" }, { "dpop-nonce": "n-1" })(response, request, turn)
        : json(200, { access_token: "opaque" })(response, request, turn),
    );
    await client.clientCredentials(agent());
    expect(decodeJwt(String(server.requests[1]?.headers.dpop)).nonce).toBe("n-1");
  });

  it("doesn't count in a response that has what was requested", async () => {
    server.respondWith(json(200, { access_token: "opaque", error: "" }));
    expect((await client.clientCredentials(agent())).accessToken).toBe("opaque");
    server.respondWith(json(200, { access_token: "opaque", error: "deprecated_scope" }));
    expect((await client.clientCredentials(agent())).accessToken).toBe("opaque");
    server.respondWith(json(200, { active: false, error: "expired" }));
    expect((await client.introspect({ ...agent(), token: "t" })).active).toBe(false);
  });
});

describe("an error in another form", () => {
  it("is the title of a page, such as nginx's", async () => {
    const title = "400 Request Header Or Cookie Too Large";
    const page = `<html>\r\n<head><title>${title}</title></head>\r\n<body><h1>400 Bad Request</h1></body></html>`;
    server.respondWith((response) => response.writeHead(400, { "content-type": "text/html" }).end(page));
    const { errorDescription, message } = await refused(client.clientCredentials(agent()));
    expect(errorDescription).toBe(title);
    expect(message).toMatch(/responded with status 400: token_request_failed, 400 Request Header Or Cookie Too Large$/);
  });

  it.each<[object, string, string | null]>([
    [{ error: "invalid_grant", message: "The code is used." }, "invalid_grant", "The code is used."],
    [{ error: "invalid_grant", error_description: "a", message: "b" }, "invalid_grant", "a"],
    [{ error: { code: "invalid_grant", message: "used" } }, "invalid_grant", "used"],
    [{ errorCode: "invalid_client", errorSummary: "Unknown client." }, "invalid_client", "Unknown client."],
    [{ message: "Too many requests" }, "token_request_failed", "Too many requests"],
    [
      { type: "about:blank", title: "Forbidden", detail: "Your plan ended." },
      "token_request_failed",
      "Your plan ended.",
    ],
    [{ title: "Forbidden" }, "token_request_failed", "Forbidden"],
    [{ error: 5, reason: "x" }, "token_request_failed", '{"error":5,"reason":"x"}'],
  ])("is read from %j", async (body, error, errorDescription) => {
    server.respondWith(json(403, body));
    const thrown = await refused(client.clientCredentials(agent()));
    expect(thrown).toMatchObject({ error, errorDescription });
    expect(thrown.message).toContain(errorDescription ?? error);
  });

  const challenge = 'Bearer realm="x", error="invalid_client", error_description="Unknown client"';
  it.each<[string, string, string, string | null]>([
    ["", challenge, "invalid_client", "Unknown client"],
    ["<html>", challenge, "invalid_client", "Unknown client"],
    ['{"error":"invalid_grant"}', challenge, "invalid_grant", "Unknown client"],
    ['{"error":"a","message":"b"}', challenge, "a", "b"],
    ["oops", 'Basic realm="x"', "token_request_failed", "oops"],
    ["", 'Basic, DPoP error="invalid_dpop_proof"', "invalid_dpop_proof", null],
    ["", "not a challenge =", "token_request_failed", null],
  ])("is read from the body %j with the challenge %s", async (body, header, error, errorDescription) => {
    server.respondWith((response) => response.writeHead(401, { "www-authenticate": header }).end(body));
    expect(await refused(client.clientCredentials(agent()))).toMatchObject({ error, errorDescription });
  });

  it("is read from any body and any challenge without an exception", () => {
    const header = fc.string({ unit: fc.constantFrom(..."abcDPoP error=\"',\\") });
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), header, (text, challenge) => {
        const response = new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
        const { error, description } = readError({ response, text, body: parseObject(text) });
        expect(error).toMatch(/./);
        expect(description === null || typeof description === "string").toBe(true);
      }),
    );
  });
});
