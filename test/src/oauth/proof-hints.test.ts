/** Advice about a rejected proof, and rejections as servers such as Keycloak send them. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { DPoPProver, dpopFetch, OAuthClient, type RejectionTrace } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { errorOf, respond } from "../../servers/stub-resource.js";
import { json, type Responder, stubServer } from "../../servers/stub-server.js";

const server = await stubServer();
afterAll(() => server.close());
let prover: DPoPProver;
beforeEach(async () => {
  prover = await DPoPProver.generate();
});

const requestToken = (options = {}, dpopProver = prover) =>
  new OAuthClient({ baseUrl: server.origin, ...options }).clientCredentials({ clientId: "my-agent", dpopProver });
const iats = () => server.requests.map(({ headers }) => decodeJwt(String(headers.dpop)).iat ?? 0);
const NOT_ACTIVE = { error: "invalid_request", error_description: "DPoP proof is not active" };
const CHECK_CLOCK = /clock of this machine.*sent no Date.*clockOffset/;

/** Keycloak's window, and its clock, which is ahead by these seconds. A proxy in front of it sends `Date`, or doesn't. */
const keycloakAhead =
  (seconds: number, { sendsDate = true } = {}): Responder =>
  (response, request, turn) => {
    const now = Date.now() / 1000 + seconds;
    const iat = decodeJwt(String(request.headers.dpop)).iat ?? 0;
    const isActive = iat > now - 25 && iat < now + 15;
    response.sendDate = false;
    const date = sendsDate ? { date: new Date(now * 1000).toUTCString() } : undefined;
    json(isActive ? 200 : 400, isActive ? { access_token: "opaque" } : NOT_ACTIVE, date)(response, request, turn);
  };

describe("a wrong clock at Keycloak's token endpoint", () => {
  it.each([60, -60])("is corrected by one retry if the response has a Date (%d seconds)", async (seconds) => {
    server.respondWith(keycloakAhead(seconds));
    expect((await requestToken()).accessToken).toBe("opaque");
    expect(server.requests).toHaveLength(2);
  });

  it("is named by the error if there is no Date, together with Keycloak's window", async () => {
    server.respondWith(keycloakAhead(60, { sendsDate: false }));
    const error = await errorOf(requestToken());
    expect(error).toMatchObject({ code: "refused", ...{ error: "invalid_request" }, statusCode: 400 });
    expect(error.message).toMatch(CHECK_CLOCK);
    expect(error.message).toContain("from 25 seconds before its own time to 15 seconds after");
    expect(server.requests).toHaveLength(1);
  });

  it("is corrected by the prover's option clockOffset", async () => {
    server.respondWith(keycloakAhead(60, { sendsDate: false }));
    const corrected = await DPoPProver.create(MemorySigner.generate(), { clockOffset: 60 });
    expect((await requestToken({}, corrected)).accessToken).toBe("opaque");
    expect(server.requests).toHaveLength(1);
  });

  it("is named by the error if the Date differs by more than maxClockSkew", async () => {
    server.respondWith(keycloakAhead(3600));
    expect((await errorOf(requestToken())).message).toMatch(/differs from that of the proof by (3599|3600) seconds/);
  });
});

describe("the option clockOffset", () => {
  it("is the start of later corrections, which maxClockSkew limits", async () => {
    const create = (clockOffset: number) =>
      DPoPProver.create(MemorySigner.generate(), { clockOffset, maxClockSkew: 60 });
    const far = await create(3600);
    expect(far.clockOffset).toBe(3600);
    expect(far.adjustClock(new Date(Date.now() + 3630_000).toUTCString())).toBe(true);
    expect(far.adjustClock(new Date(Date.now() + 3700_000).toUTCString())).toBe(false);
    expect(far.clockOffset).toBeGreaterThan(3620);
  });

  it.each([1.5, Number.NaN, "60" as never])("must be a whole number of seconds: %j", async (clockOffset) => {
    const create = DPoPProver.create(MemorySigner.generate(), { clockOffset });
    expect(await errorOf(create)).toMatchObject({
      code: "misconfigured",
      message: expect.stringContaining("clockOffset"),
    });
  });
});

describe("advice", () => {
  const withoutDate =
    (body: object, headers = {}, status = 400): Responder =>
    (response, request, turn) => {
      response.sendDate = false;
      json(status, body, headers)(response, request, turn);
    };

  it.each([
    [{ error: "invalid_dpop_proof" }, CHECK_CLOCK],
    [{ error: "invalid_dpop_proof", error_description: "iat is too old" }, CHECK_CLOCK],
    [{ error: "invalid_dpop_proof", error_description: "htu does not match" }, /set the option htu/],
    [{ error: "invalid_request", error_description: "DPoP HTTP URL mismatch" }, /mismatch\. .*set the option htu/],
  ])("is part of the error: %j", async (body, words) => {
    server.respondWith(withoutDate(body));
    expect((await errorOf(requestToken())).message).toMatch(words);
  });

  it.each([
    { error: "invalid_dpop_proof", error_description: "jti was used" },
    { error: "invalid_dpop_proof", error_description: "the proof was already used" },
    { error: "invalid_request", error_description: "DPoP proof is missing" },
    { error: "invalid_request", error_description: "DPoP proof has already been used" },
    { error: "invalid_request", error_description: "DPoP HTTP method mismatch" },
    {
      error: "invalid_request",
      error_description: "DPoP Proof public key thumbprint does not match dpop_jkt",
    },
    { error: "invalid_request", error_description: "scope is malformed" },
    { error: "invalid_grant", error_description: "DPoP proof is not active" },
  ])("isn't given where the cause is another one, or not known: %j", async (body) => {
    server.respondWith(withoutDate(body));
    const { message } = await errorOf(requestToken());
    expect(message.endsWith(`: ${body.error}, ${body.error_description}`)).toBe(true);
  });

  it("names a different time after an error of the server itself, without a retry", async () => {
    const date = new Date(Date.now() + 25_000).toUTCString();
    server.respondWith(json(500, { error: "unknown_error" }, { date }));
    expect((await errorOf(requestToken())).message).toMatch(/differs from that of the proof by 2[45] seconds/);
    expect(server.requests).toHaveLength(1);
    server.respondWith(withoutDate({ error: "unknown_error" }, {}, 500));
    expect((await errorOf(requestToken())).message).toMatch(/unknown_error$/);
  });

  it("isn't given if the clocks agree, and the server gives another reason", async () => {
    server.respondWith(json(400, { error: "invalid_dpop_proof", error_description: "not acceptable" }));
    expect((await errorOf(requestToken())).message).toMatch(/: invalid_dpop_proof, not acceptable$/);
  });

  it("names the option htu if the clocks agree, and the server gives no reason, as Spring", async () => {
    server.respondWith(json(400, { error: "invalid_dpop_proof" }));
    expect((await errorOf(requestToken())).message).toMatch(/: invalid_dpop_proof.*set the option htu/);
  });
});

describe("a refusal of the token endpoint in WWW-Authenticate alone", () => {
  it("is the error", async () => {
    const header = 'Bearer error="unauthorized_client", error_description="Not allowed here"';
    server.respondWith(respond(401, { "www-authenticate": header }));
    expect(await errorOf(requestToken())).toMatchObject({
      error: "unauthorized_client",
      errorDescription: "Not allowed here",
    });
  });

  it("is answered if it asks for a nonce", async () => {
    server.respondWith((response, request, turn) =>
      turn === 1
        ? respond(401, { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n1" })(
            response,
            request,
            turn,
          )
        : json(200, { access_token: "opaque" })(response, request, turn),
    );
    await requestToken();
    expect(decodeJwt(String(server.requests[1]?.headers.dpop)).nonce).toBe("n1");
    expect(iats()).toHaveLength(2);
  });
});

describe("the channel hardproof.rejection", () => {
  const messages: RejectionTrace[] = [];
  const listen = (message: unknown) => messages.push(message as RejectionTrace);
  beforeEach(() => {
    messages.length = 0;
    subscribe("hardproof.rejection", listen);
    return () => unsubscribe("hardproof.rejection", listen);
  });

  it("says what may help where a resource server's response is returned, without its query", async () => {
    const header = 'DPoP error="invalid_token", error_description="Token verification failed"';
    server.respondWith((response, request, turn) => {
      response.sendDate = false;
      respond(401, { "www-authenticate": header })(response, request, turn);
    });
    const response = await dpopFetch({ prover, token: "secret-token" })(`${server.origin}/userinfo?secret=1`);
    expect(response.status).toBe(401);
    expect(messages).toEqual([
      {
        url: `${server.origin}/userinfo`,
        statusCode: 401,
        error: "invalid_token",
        jkt: prover.jkt,
        hint: expect.stringMatching(CHECK_CLOCK),
      },
    ]);
  });

  it("names the missing header if the server asks for a nonce but sends none", async () => {
    server.respondWith(json(400, { error: "use_dpop_nonce" }));
    expect((await errorOf(requestToken())).message).toContain("no header DPoP-Nonce");
    server.respondWith(json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "n" })); // again after the retry
    expect((await errorOf(requestToken())).message).not.toContain("no header DPoP-Nonce");
  });

  it("is silent about a success, and about a rejection that a retry answered", async () => {
    server.respondWith((response, request, turn) =>
      turn === 1
        ? respond(401, { "www-authenticate": 'DPoP error="use_dpop_nonce"', "dpop-nonce": "n1" })(
            response,
            request,
            turn,
          )
        : respond(200)(response, request, turn),
    );
    expect((await dpopFetch({ prover, token: "secret-token" })(server.origin)).status).toBe(200);
    expect(messages).toEqual([]);
  });
});
