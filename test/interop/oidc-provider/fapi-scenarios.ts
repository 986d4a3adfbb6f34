/** The profiles `fapi2` and `fapi2-message-signing` with oidc-provider's feature `fapi`, version 2.0. */
import type { Profile } from "hardproof";
import { authorizeInBrowser } from "../../servers/browser.js";
import { check } from "../scenario.js";
import { oidcProvider } from "./server.js";
import { byKey, logIn, REDIRECT_URI, refreshTokenOf, refusedWith, type Setting, seenToken } from "./setting.js";

/** Runs the scenarios. */
export async function fapiScenarios(setting: Setting): Promise<void> {
  const { scenario, clientKey, prover, registration } = setting;
  const { grant_types: _, backchannel_token_delivery_mode: __, ...shared } = registration;
  const pushing = {
    ...shared,
    grant_types: ["client_credentials", "authorization_code", "refresh_token"],
    require_pushed_authorization_requests: true,
  };
  const signing = {
    request_object_signing_alg: "ES256" as const,
    require_signed_request_object: true,
    response_modes: ["jwt"],
  };
  await using server = await oidcProvider({
    fapi: true,
    clients: [pushing, { ...pushing, ...signing, client_id: "signing-agent" }],
  });
  const discover = (profile?: Profile) => byKey(server, clientKey, { profile });
  const pushingAgent = { clientId: registration.client_id, dpopProver: prover };
  const signingAgent = { clientId: "signing-agent", dpopProver: prover };

  await scenario("FAPI 2.0", "a login, a refresh and client credentials by the profile fapi2", async () => {
    const client = await discover("fapi2");
    const { token, request, response } = await logIn(client, pushingAgent);
    const refreshed = await client.refresh({ ...pushingAgent, refreshToken: refreshTokenOf(token) });
    await client.clientCredentials({ ...pushingAgent, scope: "read" });
    return `${seenToken(refreshed, prover)}; request ${request}; callback ${response}`;
  });
  await scenario("FAPI 2.0 Message Signing", "a signed request and a signed response", async () => {
    const client = await discover("fapi2-message-signing");
    const { token, response } = await logIn(client, signingAgent, { requestObject: { signer: clientKey } });
    check(response === "response", `the callback has ${response}`);
    return `${seenToken(token, prover)}; callback ${response}`;
  });
  await scenario("refusals", "FAPI 2.0: a request that isn't pushed", async () => {
    const client = await discover();
    const login = { ...pushingAgent, redirectUri: REDIRECT_URI, scope: "openid", pushed: false };
    const pending = await client.authorizationUrl(login);
    const callback = await authorizeInBrowser(pending.url, REDIRECT_URI);
    return refusedWith("invalid_request", () => client.authorizationCode(callback, { ...pushingAgent, ...pending }));
  });
  await scenario("refusals", "FAPI 2.0: an assertion for the token endpoint", async () => {
    const audience = `${server.issuer}/oauth/token`;
    const clientAuth = { method: "private_key_jwt", signer: clientKey, audience } as const;
    const client = await byKey(server, clientKey, { clientAuth });
    return refusedWith("invalid_client", () => client.clientCredentials(pushingAgent));
  });
  await scenario("refusals", "FAPI 2.0 Message Signing: a request that isn't signed", async () => {
    const client = await discover();
    return refusedWith("invalid_request", () => logIn(client, signingAgent, { pushed: true, responseMode: "jwt" }));
  });
}
