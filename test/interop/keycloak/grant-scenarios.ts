/** Grants without a login in the client's browser, and what becomes of tokens: refresh, exchange, introspection, revocation. */
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { refusalOf, SCOPE } from "./main-realm.js";
import { confirmDevice } from "./user.js";

/** Runs the scenarios. */
export async function grantScenarios(setting: Setting): Promise<void> {
  await userScenarios(setting);
  await tokenScenarios(setting);
}

async function userScenarios({ scenario, realm }: Setting): Promise<void> {
  const { client, agent, seenToken } = realm;

  for (const [title, device] of [
    ["the device flow", agent],
    ["the device flow with PKCE", { ...agent, clientId: "pkce-agent", pkce: true }],
  ] as const)
    await scenario("device", title, async () => {
      const authorization = await client.deviceAuthorization({ ...device, scope: SCOPE });
      await confirmDevice(authorization.verificationUriComplete ?? authorization.verificationUri);
      return seenToken(await authorization.token());
    });

  await scenario("CIBA", "backchannel authentication in poll mode (CIBA)", async () => {
    const authentication = await client.backchannelAuthentication({
      ...agent,
      scope: SCOPE,
      loginHint: "alice",
      bindingMessage: "W4SCT",
    });
    const token = await authentication.token();
    return `${seenToken(token)}, of the user ${String(token.idTokenClaims?.preferred_username)}`;
  });
}

async function tokenScenarios({ scenario, realm }: Setting): Promise<void> {
  const { client, agent, seenToken, userToken } = realm;

  await scenario("reused refresh token", "a refresh token is replaced, and refused when it is used again", async () => {
    const first = await userToken();
    const second = await client.refresh({ ...agent, refreshToken: String(first.refreshToken) });
    check(second.refreshToken !== first.refreshToken, "the refresh token stayed the same");
    return refusalOf(client.refresh({ ...agent, refreshToken: String(first.refreshToken) }));
  });

  await scenario("token exchange", "a token is exchanged for another one that is bound to the same key", async () => {
    const subject = await userToken();
    const exchanged = await client.exchangeToken({ ...agent, subjectToken: subject.accessToken, scope: "profile" });
    check(exchanged.accessToken !== subject.accessToken, "the token stayed the same");
    return `${seenToken(exchanged)}, with the scope ${exchanged.scope}`;
  });

  await scenario(
    "introspection",
    "introspection shows the key of a token, and nothing after it was revoked",
    async () => {
      const { accessToken: token } = await userToken();
      const request = { clientId: "agent", token };
      const { active, cnf } = await client.introspect(request);
      const { jkt } = Object(cnf) as { jkt?: string };
      check(active && jkt === agent.dpopProver.jkt, `active ${active}, cnf.jkt ${jkt}`);
      await client.revoke(request);
      const after = await client.introspect(request);
      check(!after.active, "the token is still active");
      return `cnf.jkt ${jkt}, then ${JSON.stringify(after)}`;
    },
  );

  await scenario("revocation", "a refresh token is revoked, and an unknown token too", async () => {
    const token = String((await userToken()).refreshToken);
    await client.revoke({ clientId: "agent", token, tokenTypeHint: "refresh_token" });
    await client.revoke({ clientId: "agent", token: "unknown" });
    return refusalOf(client.refresh({ ...agent, refreshToken: token }));
  });
}
