/** A wrong clock where a request has a signed assertion, but not always a proof. */
import { DPoPProver, OAuthClient, type OAuthClientOptions } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { decodeJwt } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { errorOf } from "../../servers/stub-resource.js";
import { json, type Responder, stubServer } from "../../servers/stub-server.js";

const server = await stubServer();
afterAll(() => server.close());
const signer = MemorySigner.generate();
const prover = await DPoPProver.create(signer);
const clientAuth = { method: "private_key_jwt", signer } as const;
const endpoint = (name: string) => `${server.origin}/${name}`;
const metadata = {
  issuer: server.origin,
  token_endpoint: endpoint("token"),
  authorization_endpoint: endpoint("auth"),
  pushed_authorization_request_endpoint: endpoint("par"),
  device_authorization_endpoint: endpoint("device"),
  backchannel_authentication_endpoint: endpoint("ciba"),
  revocation_endpoint: endpoint("revoke"),
  introspection_endpoint: endpoint("introspect"),
};
const newClient = (options: Partial<OAuthClientOptions> = {}) =>
  new OAuthClient({ baseUrl: server.origin, metadata, clientAuth, ...options });

interface ServerClock {
  field?: string;
  error?: string;
  description?: string;
  sendsDate?: boolean;
}

/** A server whose clock is ahead by these seconds, with Keycloak's rule and words for assertions. */
const serverAhead =
  (seconds: number, { field = "client_assertion", error = "invalid_client", ...more }: ServerClock = {}): Responder =>
  (response, request, turn) => {
    const now = Date.now() / 1000 + seconds;
    const { iat = 0, exp = 0 } = decodeJwt(request.form.get(field) ?? "");
    const { description = iat > now ? "Token was issued in the future" : "Token is not active" } = more;
    const isActive = iat < now + 15 && exp > now;
    const body = isActive ? RESPONSE : { error, error_description: description };
    response.sendDate = false;
    const date = more.sendsDate === false ? undefined : { date: new Date(now * 1000).toUTCString() };
    json(isActive ? 200 : 400, body, date)(response, request, turn);
  };
const RESPONSE = {
  ...{ access_token: "opaque", active: true, request_uri: "urn:x", auth_req_id: "1", expires_in: 60 },
  ...{ device_code: "1", user_code: "1", verification_uri: "https://auth.example.com" },
};

const REQUESTS: Record<string, (client: OAuthClient) => Promise<unknown>> = {
  introspection: (client) => client.introspect({ clientId: "agent", token: "opaque" }),
  revocation: (client) => client.revoke({ clientId: "agent", token: "opaque" }),
};
const WITH_PROVER: Record<string, (client: OAuthClient, dpopProver: DPoPProver) => Promise<unknown>> = {
  "device authorization": (client, dpopProver) => client.deviceAuthorization({ clientId: "agent", dpopProver }),
  "backchannel authentication": (client, dpopProver) =>
    client.backchannelAuthentication({ clientId: "agent", dpopProver, loginHint: "alice" }),
};
const SKEWS = [80, -80, 300, -300];

describe.each(Object.entries(REQUESTS))("%s, without a proof", (_, request) => {
  it.each(SKEWS)("succeeds by one retry if the server's clock differs by %d seconds, then at once", async (seconds) => {
    server.respondWith(serverAhead(seconds));
    const client = newClient();
    await request(client);
    expect(server.requests).toHaveLength(2);
    await request(client);
    expect(server.requests).toHaveLength(3);
  });

  it("names the clock in the error if there is no Date", async () => {
    server.respondWith(serverAhead(80, { sendsDate: false }));
    const { message } = await errorOf(request(newClient()));
    expect(message).toMatch(/Token is not active\. A likely cause is the clock of this machine: .*sent no Date/);
    expect(message).not.toContain("clockOffset"); // an option of the prover
    expect(server.requests).toHaveLength(1);
  });
});

describe.each(Object.entries(WITH_PROVER))("%s", (_, request) => {
  it.each(SKEWS)("corrects the prover's clock by one retry (%d seconds)", async (seconds) => {
    server.respondWith(serverAhead(seconds));
    const dpopProver = await DPoPProver.create(signer);
    await request(newClient(), dpopProver);
    expect(server.requests).toHaveLength(2);
    expect(Math.abs(dpopProver.clockOffsetFor(server.origin) - seconds)).toBeLessThan(3);
  });
});

describe("another JWT that is signed for the request", () => {
  it("is signed once more: the assertion of a grant", async () => {
    server.respondWith(serverAhead(100, { field: "assertion", error: "invalid_grant" }));
    const assertion = { signer, subject: "alice" };
    const client = newClient({ clientAuth: "none" });
    const token = await client.jwtBearer({ clientId: "agent", dpopProver: await DPoPProver.create(signer), assertion });
    expect(token.accessToken).toBe("opaque");
    expect(server.requests).toHaveLength(2);
  });

  it("is signed once more: a pushed request object", async () => {
    server.respondWith(serverAhead(400, { field: "request", error: "invalid_request_object" }));
    const dpopProver = await DPoPProver.create(signer);
    const request = { clientId: "agent", redirectUri: "https://app.example.com", pushed: true, dpopProver };
    await newClient({ clientAuth: "none" }).authorizationUrl({ ...request, requestObject: { signer } });
    expect(server.requests).toHaveLength(2);
  });
});

describe("an assertion that was rejected", () => {
  const tokenError = async () =>
    (await errorOf(newClient().clientCredentials({ clientId: "agent", dpopProver: prover }))).message;

  it("names the difference if it is larger than the largest correction", async () => {
    server.respondWith(serverAhead(3600));
    expect(await tokenError()).toMatch(/differs from that of the assertion by (3599|3600) seconds\. .*clockOffset/);
    expect(server.requests).toHaveLength(1);
  });

  it("may be explained by the clock if the server names no cause and sends no Date, as Keycloak does for a push", async () => {
    for (const error of ["invalid_client", "invalid_request"]) {
      server.respondWith(serverAhead(100, { error, description: "Authentication failed.", sendsDate: false }));
      expect(await tokenError()).toMatch(/failed\. A possible cause is the clock of this machine/);
    }
  });

  it("isn't explained by the clock if the server names another cause and sends no Date", async () => {
    server.respondWith(serverAhead(100, { description: "Invalid client or key", sendsDate: false }));
    expect(await tokenError()).toMatch(/Invalid client or key$/);
  });

  it("isn't retried without a reason: a secret, or an assertion that was made elsewhere", async () => {
    server.respondWith(json(401, { error: "invalid_client" }, { date: new Date(Date.now() + 90_000).toUTCString() }));
    const external = { method: "private_key_jwt", assertion: () => "a.b.c" } as const;
    for (const [auth, clientSecret] of [[external], ["client_secret_post", "secret"]] as const) {
      server.requests.length = 0;
      const request = newClient({ clientAuth: auth }).introspect({ clientId: "agent", clientSecret, token: "opaque" });
      expect((await errorOf(request)).message).not.toContain("clock");
      expect(server.requests).toHaveLength(1);
    }
  });
});

it("revokes a token that Keycloak doesn't know, which is an error with status 200", async () => {
  server.respondWith(json(200, { error: "invalid_token", error_description: "Invalid token" }));
  await newClient().revoke({ clientId: "agent", token: "unknown" });
  server.respondWith(json(400, { error: "invalid_token" }));
  await expect(newClient().revoke({ clientId: "agent", token: "unknown" })).rejects.toMatchObject({ code: "refused" });
});
