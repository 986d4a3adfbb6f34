/** The authorization code flow: the request (RFC 6749 §4.1.1, RFC 7636), and which callbacks are accepted (RFC 9207). */
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { DPoPProver, OAuthClient, type OAuthClientOptions, type OAuthError, pkcePair } from "hardproof";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { json, type StubServer, stubServer } from "../../servers/stub-server.js";

const issuer = "https://auth.example.com";
const redirectUri = "https://app.example.com/callback?tenant=1";
let server: StubServer;
let prover: DPoPProver;
beforeAll(async () => {
  [server, prover] = await Promise.all([stubServer(), DPoPProver.generate()]);
});
beforeEach(() => server.respondWith(json(200, { access_token: "opaque" })));
afterAll(() => server.close());

const agent = () => ({ clientId: "my-agent", dpopProver: prover });
const clientOf = (options: Partial<OAuthClientOptions> = {}) =>
  new OAuthClient({ baseUrl: server.origin, issuer, ...options });
const withMetadata = (more: object) => ({
  issuer: undefined,
  metadata: { issuer, token_endpoint: `${server.origin}/oauth/token`, ...more },
});
const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );

describe("the authorization request", () => {
  const parametersOf = async (more = {}) => {
    const { url } = await clientOf().authorizationUrl({ ...agent(), redirectUri, ...more });
    return new URL(url).searchParams;
  };

  it("requests a code that is bound to a verifier and to the key", async () => {
    const resource = ["https://one.example/", "https://two.example/"];
    const more = { scope: "read write", resource, extra: { prompt: "consent" } };
    const pending = await clientOf().authorizationUrl({ ...agent(), redirectUri, ...more });
    const url = new URL(pending.url);
    expect(url.origin + url.pathname).toBe(`${server.origin}/oauth/authorize`);
    expect([...url.searchParams]).toEqual([
      ["client_id", "my-agent"],
      ["response_type", "code"],
      ["redirect_uri", redirectUri],
      ["scope", "read write"],
      ["state", pending.state],
      ["code_challenge", createHash("sha256").update(pending.codeVerifier).digest("base64url")],
      ["code_challenge_method", "S256"],
      ["dpop_jkt", prover.jkt],
      ["resource", resource[0]],
      ["resource", resource[1]],
      ["prompt", "consent"],
    ]);
    expect(server.requests).toEqual([]);
  });

  it("generates a new state and verifier for each request, or uses the caller's", async () => {
    const request = { ...agent(), redirectUri };
    const [one, two] = [await clientOf().authorizationUrl(request), await clientOf().authorizationUrl(request)];
    expect(one.state).not.toBe(two.state);
    expect(one.codeVerifier).not.toBe(two.codeVerifier);
    const { codeVerifier, codeChallenge, codeChallengeMethod } = pkcePair();
    expect([codeVerifier, codeChallenge].join()).toMatch(/^[\w-]{43},[\w-]{43}$/);
    for (const short of ["v", "v".repeat(42), "v".repeat(129), `${"v".repeat(43)}=`])
      await expect(parametersOf({ codeVerifier: short })).rejects.toMatchObject({ code: "misconfigured" });
    const parameters = await parametersOf({ state: "mine", codeVerifier });
    expect(parameters.get("state")).toBe("mine");
    expect(parameters.get("code_challenge")).toBe(codeChallenge);
    expect(parameters.get("code_challenge_method")).toBe(codeChallengeMethod);
  });

  it("preserves the query of the authorization endpoint (RFC 6749 §3.1)", async () => {
    const client = clientOf({ endpoints: { authorization: "/authorize?tenant=1" } });
    const { url } = await client.authorizationUrl({ ...agent(), redirectUri });
    expect(url).toMatch(/authorize\?tenant=1&client_id=my-agent/);
  });

  it("pushes the request if the server's metadata requires it (RFC 9126 §5)", async () => {
    server.respondWith(json(201, { request_uri: "urn:1", expires_in: 60 }));
    const client = clientOf(
      withMetadata({
        require_pushed_authorization_requests: true,
        authorization_endpoint: `${issuer}/authorize`,
        pushed_authorization_request_endpoint: `${server.origin}/par`,
      }),
    );
    const { url } = await client.authorizationUrl({
      ...agent(),
      redirectUri,
      scope: "read",
      extra: { prompt: "login" },
    });
    expect(url).toBe(`${issuer}/authorize?client_id=my-agent&request_uri=urn%3A1`);
    const form = Object.fromEntries(server.requests[0]?.form ?? []);
    expect(form).toMatchObject({ response_type: "code", scope: "read", dpop_jkt: prover.jkt, prompt: "login" });
  });

  it.each(["state", "code_challenge", "redirect_uri", "dpop_jkt", "client_id", "request_uri"])(
    "rejects an extra parameter that would override %s",
    async (name) => {
      for (const pushed of [false, true])
        expect(await errorOf(parametersOf({ pushed, extra: { [name]: "x" } }))).toMatchObject({
          code: "misconfigured",
        });
    },
  );

  it.each(["relative", "https://api.example.com/#part", ""])(
    "rejects the resource %j (RFC 8707 §2)",
    async (resource) => {
      expect(await errorOf(parametersOf({ resource }))).toMatchObject({ code: "misconfigured" });
      expect(await errorOf(clientOf().clientCredentials({ ...agent(), resource }))).toMatchObject({
        code: "misconfigured",
      });
    },
  );
});

describe("the callback", () => {
  const pending = { redirectUri, state: "the-state", codeVerifier: "v".repeat(43) };
  const exchange = (query: string, options: Partial<OAuthClientOptions> = {}) =>
    clientOf(options).authorizationCode(`https://app.example.com/callback?${query}`, { ...agent(), ...pending });

  it("exchanges the code with the verifier and the same redirect URI", async () => {
    await exchange("tenant=1&code=the-code&state=the-state");
    expect(Object.fromEntries(server.requests[0]?.form ?? [])).toEqual({
      grant_type: "authorization_code",
      client_id: "my-agent",
      code: "the-code",
      redirect_uri: redirectUri,
      code_verifier: pending.codeVerifier,
    });
  });

  it.each([
    ["another state", "code=s3cret&state=other"],
    ["no state", "code=s3cret"],
    ["two states", "code=s3cret&state=the-state&state=other"],
    ["two codes", "code=s3cret&code=s3cret2&state=the-state"],
    ["another issuer", "code=s3cret&state=the-state&iss=https%3A%2F%2Fevil.example"],
    ["another spelling of the issuer", "code=s3cret&state=the-state&iss=https%3A%2F%2Fauth.example.com%2F"],
    ["an error for another request", "error=access_denied&state=other"],
    ["an error of another issuer", "error=access_denied&state=the-state&iss=https%3A%2F%2Fevil.example"],
    ["no code", "state=the-state"],
    ["an empty code", "code=&state=the-state"],
  ])("rejects a callback with %s without sending or showing its code", async (_, query) => {
    const error = await errorOf(exchange(query));
    expect(error).toMatchObject({ name: "OAuthError", code: "invalid-response", statusCode: null });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("s3cret");
    expect(server.requests).toEqual([]);
  });

  it("accepts a callback without iss unless the server's metadata promises it (RFC 9207 §2.4)", async () => {
    const query = "code=c&state=the-state";
    await exchange(query);
    await exchange(`${query}&iss=${encodeURIComponent(issuer)}`);
    const always = withMetadata({ authorization_response_iss_parameter_supported: true });
    await exchange(`${query}&iss=${encodeURIComponent(issuer)}`, always);
    expect(await errorOf(exchange(query, always))).toMatchObject({ code: "invalid-response" });
  });

  it("rejects a callback with iss if the client has no issuer to compare it with", async () => {
    const error = await errorOf(exchange("code=c&state=the-state&iss=https%3A%2F%2Fx.example", { issuer: undefined }));
    expect(error).toMatchObject({ code: "misconfigured", message: expect.stringContaining("issuer") });
  });

  it("throws the error of an error callback with a message on one line (RFC 6749 §4.1.2.1)", async () => {
    const error = await errorOf(exchange("error=access_denied&error_description=not%0Atoday&state=the-state"));
    expect(error).toMatchObject({ code: "refused", error: "access_denied", errorDescription: "not\ntoday" });
    expect(error.message).toContain("access_denied, not today");
  });

  it.each(["", "/callback?code=c&state=the-state"])("rejects the incomplete callback URL %j", async (url) => {
    const request = clientOf().authorizationCode(url, { ...agent(), ...pending });
    expect(await errorOf(request)).toMatchObject({ code: "misconfigured" });
  });

  it.each(["state", "codeVerifier", "redirectUri"])("requires the %s of the pending authorization", async (name) => {
    const request = clientOf().authorizationCode("https://app.example.com/?code=c&state=the-state", {
      ...agent(),
      ...pending,
      [name]: undefined,
    });
    expect(await errorOf(request)).toMatchObject({ code: "misconfigured" });
  });
});
