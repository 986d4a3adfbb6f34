/** Backchannel authentication in poll mode (CIBA), with oidc-provider. */
import { inspect } from "node:util";
import { type BackchannelAuthenticationRequest, DPoPProver, OAuthClient, type OAuthClientOptions } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer, confidential } from "../../servers/authorization-server.js";
import { CONFIRMING, DENYING, SILENT } from "../../servers/backchannel-user.js";
import { json, stubServer } from "../../servers/stub-server.js";

const signer = MemorySigner.generate();
let as: AuthorizationServer;
let prover: DPoPProver;
let client: OAuthClient;
beforeAll(async () => {
  prover = await DPoPProver.create(signer);
  const jwk = { ...(await signer.publicJwk()), kid: prover.jkt, use: "sig" };
  const registration = {
    ...confidential,
    client_id: "call-centre",
    grant_types: ["urn:openid:params:grant-type:ciba", "refresh_token"],
    backchannel_token_delivery_mode: "poll" as const,
    token_endpoint_auth_method: "private_key_jwt" as const,
    jwks: { keys: [jwk] },
  };
  as = await authorizationServer({ clients: [registration] });
  client = await clientWith({});
});
afterAll(() => as.close());

type BackchannelOptions = Omit<BackchannelAuthenticationRequest, "binding" | "dpopProver">;
const clientWith = (options: Partial<OAuthClientOptions>) =>
  OAuthClient.discover(as.issuer, { clientAuth: { method: "private_key_jwt", signer }, ...options });
const agent = (more: Partial<BackchannelOptions> = {}) => ({
  clientId: "call-centre",
  dpopProver: prover,
  scope: "openid read",
  ...more,
});
const formOf = (path: string) =>
  new URLSearchParams(as.requests.filter(({ url }) => url === path).at(-1)?.body ?? expect.unreachable());

/** oidc-provider doesn't return an interval, and the default is five seconds. */
const fetchWithShortInterval: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  if (!String(input).endsWith("/oauth/bc-authorize") || !response.ok) return response;
  return Response.json({ ...Object(await response.json()), interval: "1" });
};

describe("backchannel authentication", () => {
  it("waits for the user's confirmation, and returns a bound token and the ID token's claims", async () => {
    const polling = await clientWith({ fetch: fetchWithShortInterval });
    const request = await polling.backchannelAuthentication(
      agent({ loginHint: CONFIRMING, bindingMessage: "W4SCT", acrValues: ["a", "b"], requestedExpiry: 120 }),
    );
    expect(request.expiresIn).toBe(120);
    expect(Object.fromEntries(formOf("/oauth/bc-authorize"))).toMatchObject({
      login_hint: CONFIRMING,
      scope: "openid read",
      binding_message: "W4SCT",
      acr_values: "a b",
      requested_expiry: "120",
    });
    const token = await request.token();
    expect(token.cnfJkt).toBe(prover.jkt);
    expect(token.idTokenClaims?.sub).toBe(CONFIRMING);
    const form = Object.fromEntries(formOf("/oauth/token"));
    expect(form).toMatchObject({ grant_type: "urn:openid:params:grant-type:ciba", auth_req_id: expect.any(String) });
    expect(form).not.toHaveProperty("scope");
    expect(inspect(request, { showHidden: true, depth: 5 })).not.toContain(form.auth_req_id);
  });

  it("throws access_denied if the user refuses", async () => {
    const polling = await clientWith({ fetch: fetchWithShortInterval });
    const request = await polling.backchannelAuthentication(agent({ loginHintToken: `token-of-${DENYING}` }));
    await expect(request.token()).rejects.toMatchObject({ code: "refused", error: "access_denied" });
  });

  it("keeps polling while the user is silent, until the caller aborts or the request expires", async () => {
    const polling = await clientWith({ fetch: fetchWithShortInterval });
    const request = await polling.backchannelAuthentication(agent({ loginHint: SILENT, requestedExpiry: 3 }));
    const aborted = request.token({ signal: AbortSignal.abort(new Error("enough")) });
    await expect(aborted).rejects.toMatchObject({ code: "aborted" });
    // oidc-provider deletes a request when it expires, and doesn't know it afterwards.
    const error = expect.stringMatching(/^(expired_token|invalid_grant)$/);
    await expect(request.token()).rejects.toMatchObject({ error });
    const polls = as.requests.filter(({ body }) => body.includes("auth_req_id"));
    expect(polls.at(-1)?.status).toBe(400);
  });

  it.each([{}, { loginHint: "a", idTokenHint: "b" }, { loginHint: "" }, { loginHint: "a", requestedExpiry: 0 }])(
    "rejects %j before it sends anything",
    async (hints) => {
      const before = as.requests.length;
      await expect(client.backchannelAuthentication(agent(hints))).rejects.toMatchObject({ code: "misconfigured" });
      expect(as.requests).toHaveLength(before);
    },
  );

  it("sends extra with both requests", async () => {
    const polling = await clientWith({ fetch: fetchWithShortInterval });
    const hint = { loginHint: CONFIRMING, extra: { tenant: "t-1" } };
    await (await polling.backchannelAuthentication(agent(hint))).token();
    expect(formOf("/oauth/bc-authorize").get("tenant")).toBe("t-1");
    expect(formOf("/oauth/token").get("tenant")).toBe("t-1");
  });
});

it.each([{}, { auth_req_id: "" }, { auth_req_id: "r", expires_in: "soon" }, { auth_req_id: 7, expires_in: 60 }])(
  "rejects the response %j to backchannel authentication",
  async (body) => {
    const server = await stubServer();
    server.respondWith(json(200, body));
    const request = { ...agent(), scope: "read", loginHint: "alice" };
    const stubbed = new OAuthClient({ baseUrl: server.origin });
    await expect(stubbed.backchannelAuthentication(request)).rejects.toMatchObject({ code: "invalid-response" });
    expect(server.requests[0]?.path).toBe("/oauth/bc-authorize");
    await server.close();
  },
);
