/** Requests to every endpoint, and how each kind of response is handled: all endpoints share one code path. */
import { inspect } from "node:util";
import { DPoPProver, OAuthClient, type OAuthClientOptions, type OAuthError } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { json, type RecordedRequest, type Responder, type StubServer, stubServer } from "../../servers/stub-server.js";

let server: StubServer;
let elsewhere: StubServer;
let prover: DPoPProver;
const signer = MemorySigner.generate();
beforeAll(async () => {
  [server, elsewhere, prover] = await Promise.all([stubServer(), stubServer(), DPoPProver.generate()]);
});
afterEach(() => void vi.useRealTimers());
beforeEach(() => elsewhere.respondWith(json(200, good)));
afterAll(() => Promise.all([server.close(), elsewhere.close()]));

const secrets = {
  refreshToken: "s3cret-refresh",
  codeVerifier: "s3cret-verifier".padEnd(43, "-"),
  token: "s3cret+token/=",
  subjectToken: "s3cret-subject",
  clientSecret: "s3cret of the agent",
};
const good = {
  access_token: "opaque",
  token_type: "DPoP",
  request_uri: "urn:request:1",
  device_code: "s3cret-device",
  user_code: "ABCD",
  verification_uri: "https://auth.example.com/device",
  expires_in: 600,
  active: true,
};
const clientOf = (options: Partial<OAuthClientOptions> = {}) =>
  new OAuthClient({ baseUrl: server.origin, timeout: 5_000, ...options });
const agent = () => ({ clientId: "my-agent", dpopProver: prover });

interface Endpoint {
  path: string;
  call(client: OAuthClient, more?: object): Promise<unknown>;
  /** Whether the body of a 200 is ignored. */
  allowsEmptyBody?: boolean;
  /** Whether the request has a proof. Default: true. */
  withProof?: boolean;
}

const redirectUri = "http://127.0.0.1/callback";
const endpoints: Record<string, Endpoint> = {
  token: {
    path: "/oauth/token",
    call: (client, more) => client.refresh({ ...agent(), refreshToken: secrets.refreshToken, ...more }),
  },
  "token exchange": {
    path: "/oauth/token",
    call: (client, more) => client.exchangeToken({ ...agent(), subjectToken: secrets.subjectToken, ...more }),
  },
  "pushed authorization request": {
    path: "/oauth/par",
    call: (client, more) =>
      client.authorizationUrl({ ...agent(), redirectUri, codeVerifier: secrets.codeVerifier, pushed: true, ...more }),
  },
  "device authorization": {
    path: "/oauth/device",
    call: (client, more) => client.deviceAuthorization({ ...agent(), ...more }),
    withProof: false,
  },
  revocation: {
    path: "/oauth/revoke",
    call: (client, more) => client.revoke({ ...agent(), token: secrets.token, ...more }),
    allowsEmptyBody: true,
  },
  introspection: {
    path: "/oauth/introspect",
    call: (client, more) => client.introspect({ ...agent(), token: secrets.token, ...more }),
  },
};

const errorOf = (work: Promise<unknown>): Promise<OAuthError> =>
  work.then(
    () => expect.unreachable(),
    (error) => error,
  );
const challenge = json(400, { error: "use_dpop_nonce" }, { "dpop-nonce": "n" });
const proofsOf = (requests: readonly RecordedRequest[]) =>
  requests.map(({ headers }) => decodeJwt(String(headers.dpop)));
const jtisOf = (requests: readonly RecordedRequest[]) => new Set(proofsOf(requests).map(({ jti }) => jti));
const inTurn =
  (...responders: Responder[]): Responder =>
  (response, request, turn) =>
    responders[Math.min(turn, responders.length) - 1]?.(response, request, turn);

describe.each(Object.entries(endpoints))(
  "the %s endpoint",
  (_, { path, call, allowsEmptyBody = false, withProof = true }) => {
    it("sends one request with the client's id and a proof for this URL", async () => {
      server.respondWith(json(200, good));
      await call(clientOf());
      expect(server.requests.map(({ path, form }) => [path, form.get("client_id")])).toEqual([[path, "my-agent"]]);
      if (withProof) expect(proofsOf(server.requests)[0]).toMatchObject({ htm: "POST", htu: server.origin + path });
      else expect(server.requests[0]?.headers.dpop).toBeUndefined();
    });

    it("sends the request to the URL from the endpoints option", async () => {
      server.respondWith(json(200, good));
      const everywhere = Object.fromEntries(
        ["token", "pushedAuthorizationRequest", "deviceAuthorization", "revocation", "introspection"].map((name) => [
          name,
          "/elsewhere?tenant=1",
        ]),
      );
      await call(clientOf({ endpoints: everywhere }));
      expect(server.requests.map(({ path }) => path)).toEqual(["/elsewhere?tenant=1"]);
      if (withProof) expect(proofsOf(server.requests)[0]?.htu).toBe(`${server.origin}/elsewhere`);
    });

    it.each([
      [
        "a response after the time limit",
        () => void vi.advanceTimersByTime(5_000),
        { code: "timeout", statusCode: null },
      ],
      ["a closed connection", (response) => response.destroy(), { code: "unreachable" }],
      ["a 503", json(503, { error: "temporarily_unavailable" }), { code: "refused", statusCode: 503 }],
      ["a 502 in HTML", (response) => response.writeHead(502).end("<html>"), { code: "refused", statusCode: 502 }],
      ["an endless response", (response) => pour(response), { code: "too-large" }],
    ] as [string, Responder, object][])("turns %s into an error without a retry", async (_, responder, error) => {
      server.respondWith(responder);
      if (responder.length === 0) vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
      expect(await errorOf(call(clientOf()))).toMatchObject(error);
      expect(server.requests).toHaveLength(1);
    });

    it.each(["oops", "[]", "null", "", "{}", '{"access_token":7,"request_uri":7,"device_code":7,"active":"yes"}'])(
      "rejects a 200 with the incomplete body %j",
      async (body) => {
        server.respondWith((response) => response.writeHead(200).end(body));
        if (allowsEmptyBody) await call(clientOf());
        else expect(await errorOf(call(clientOf()))).toMatchObject({ code: "invalid-response", statusCode: 200 });
      },
    );

    it.each([302, 307, 308])("doesn't follow a %d redirect to another server", async (status) => {
      server.respondWith((response) => response.writeHead(status, { location: elsewhere.origin + path }).end());
      expect(await errorOf(call(clientOf()))).toMatchObject({ code: "redirect", statusCode: status });
      expect(elsewhere.requests).toEqual([]);
    });

    it("puts the nonce of the previous response into the next proof", async () => {
      server.respondWith((response, request, turn) =>
        json(200, good, { "dpop-nonce": `n${turn}` })(response, request, turn),
      );
      const client = clientOf();
      for (let turn = 0; turn < 3; turn++) await call(client);
      if (withProof) expect(proofsOf(server.requests).map(({ nonce }) => nonce)).toEqual([undefined, "n1", "n2"]);
    });

    it("retries once after a nonce challenge, with a new proof, assertion and nonce", async () => {
      server.respondWith(inTurn(challenge, json(200, good)));
      const client = clientOf({ clientAuth: { method: "private_key_jwt", signer } });
      if (!withProof) expect(await errorOf(call(client))).toMatchObject({ error: "use_dpop_nonce" });
      else {
        await call(client);
        expect(proofsOf(server.requests).map(({ nonce }) => nonce)).toEqual([undefined, "n"]);
        expect(jtisOf(server.requests).size).toBe(2);
        const assertions = server.requests.map(({ form }) => decodeJwt(form.get("client_assertion") ?? ""));
        expect(new Set(assertions.map(({ jti }) => jti)).size).toBe(2);
      }
    });

    it("stops after one retry if the server challenges again", async () => {
      server.respondWith(challenge);
      expect(await errorOf(call(clientOf()))).toMatchObject({ code: "refused", error: "use_dpop_nonce" });
      expect(server.requests).toHaveLength(withProof ? 2 : 1);
    });

    it("sends three requests at most if the server rejects the clock, then the nonce, then the clock again", async () => {
      const clock = new Date(Date.now() + 300_000).toUTCString();
      const wrongTime = json(400, { error: "invalid_dpop_proof" }, { date: clock });
      server.respondWith(inTurn(wrongTime, challenge, wrongTime, challenge));
      const error = await errorOf(call(clientOf(), { dpopProver: await DPoPProver.generate() }));
      expect(error).toMatchObject({ code: "refused", error: "invalid_dpop_proof" });
      expect(server.requests).toHaveLength(withProof ? 3 : 1);
      if (withProof) expect(jtisOf(server.requests).size).toBe(3);
    });

    it("redacts the secrets that the server repeats in its error", async () => {
      const repeat: Responder = (response, { body, headers, form }) =>
        response.writeHead(400).end(JSON.stringify([body, headers, [...form]]) + decodeURIComponent(body));
      server.respondWith(repeat);
      const methods: [OAuthClientOptions["clientAuth"], string | undefined][] = [
        ["client_secret_post", secrets.clientSecret],
        ["client_secret_basic", secrets.clientSecret],
        [{ method: "private_key_jwt", signer }, undefined],
      ];
      for (const [clientAuth, clientSecret] of methods) {
        const client = clientOf({ clientAuth });
        const printed = inspect([client, await errorOf(call(client, { clientSecret }))], {
          depth: 10,
          showHidden: true,
        });
        const { headers, form } = server.requests.at(-1) ?? expect.unreachable();
        const sent = [headers.dpop, headers.authorization?.split(" ")[1], form.get("client_assertion")];
        for (const secret of [...sent, "s3cret"]) if (secret) expect(printed).not.toContain(secret);
      }
    });

    it("sends nothing for a caller that has already aborted", async () => {
      server.respondWith(json(200, good));
      const signal = AbortSignal.abort();
      expect(await errorOf(call(clientOf(), { signal }))).toMatchObject({ code: "aborted" });
      expect(server.requests).toEqual([]);
    });

    it("doesn't retry after the time limit, even if the custom fetch ignores its signal", async () => {
      let requests = 0;
      const slow: typeof fetch = async () => {
        requests++;
        await new Promise((resolve) => setTimeout(resolve, 50));
        return Response.json({ error: "use_dpop_nonce" }, { status: 400, headers: { "dpop-nonce": "n" } });
      };
      expect(await errorOf(call(clientOf({ fetch: slow, timeout: 10 })))).toMatchObject({ code: "timeout" });
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(requests).toBe(1);
    });

    it.each(["client_id", "client_secret"])("rejects an extra field that would override %s", async (name) => {
      server.respondWith(json(200, good));
      const error = await errorOf(call(clientOf(), { extra: { [name]: "s3cret" } }));
      expect(error).toMatchObject({ code: "misconfigured", message: expect.not.stringContaining("s3cret") });
      expect(server.requests).toEqual([]);
    });
  },
);

it("rejects a token that is bound to a different key, for every grant", async () => {
  server.respondWith(json(200, { ...good, cnf: { jkt: "another" } }));
  for (const name of ["token", "token exchange"])
    expect(await errorOf(endpoints[name]?.call(clientOf()) ?? expect.unreachable())).toMatchObject({ code: "binding" });
});

it("keeps the refresh token if the server doesn't replace it (RFC 6749 §6)", async () => {
  server.respondWith(json(200, good));
  const token = await clientOf().refresh({ ...agent(), refreshToken: "still-good" });
  expect(token).toMatchObject({ refreshToken: "still-good", raw: good });
  expect(inspect(token)).not.toContain("still-good");
  server.respondWith(json(200, { ...good, refresh_token: "rotated" }));
  expect(await clientOf().refresh({ ...agent(), refreshToken: "used" })).toMatchObject({ refreshToken: "rotated" });
});

it("doesn't print the secrets of pending authorizations", async () => {
  server.respondWith(json(200, good));
  const device = await clientOf().deviceAuthorization(agent());
  const codeVerifier = secrets.codeVerifier;
  const pending = await clientOf().authorizationUrl({ ...agent(), redirectUri, codeVerifier });
  expect(inspect([device, pending], { depth: 10, showHidden: true })).not.toContain("s3cret");
  expect(JSON.stringify(device)).not.toContain("s3cret");
  expect(JSON.parse(JSON.stringify(pending))).toMatchObject({ codeVerifier }); // so that a session can store it
});

function pour(response: Parameters<Responder>[0]): void {
  const chunk = Buffer.alloc(64 * 1024, " ");
  while (!response.destroyed && response.write(chunk));
  if (!response.destroyed) response.once("drain", () => pour(response));
}
