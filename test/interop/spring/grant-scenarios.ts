/** The device flow, token exchange, introspection and revocation. */
import { check } from "../scenario.js";
import { refusal, seenToken } from "../seen.js";
import { login } from "./login-scenarios.js";
import type { Setting } from "./setting.js";
import { confirmDevice } from "./user.js";

/** Runs the scenarios. */
export async function grantScenarios(setting: Setting): Promise<void> {
  await devices(setting);
  await exchanges(setting);
  await tokenStatus(setting);
}

async function devices({ scenario, keyClient, byKey, prover, server }: Setting): Promise<void> {
  await scenario("device", "the user confirms", async () => {
    const device = await keyClient.deviceAuthorization({ ...byKey, scope: "read" });
    await confirmDevice(device.verificationUriComplete ?? device.verificationUri, server.user);
    return seenToken(await device.token(), prover);
  });
}

/** Spring exchanges a user's tokens only. */
async function exchanges(setting: Setting): Promise<void> {
  const { scenario, client, keyClient, prover, thief, basic, byKey } = setting;
  const { accessToken } = await login(setting, client, basic, { scope: "read write" });
  await scenario("token exchange", "for a token of less scope, by another client", async () => {
    const token = await keyClient.exchangeToken({ ...byKey, subjectToken: accessToken, scope: "read" });
    check(token.scope === "read", `scope ${token.scope}`);
    return `${seenToken(token, prover)}, scope ${token.scope}`;
  });
  await scenario("token exchange", "by another key than the subject token's", async () =>
    seenToken(await keyClient.exchangeToken({ ...byKey, dpopProver: thief, subjectToken: accessToken }), thief),
  );
  await scenario("refusals", "the exchange of a token without a user", async () => {
    const { accessToken } = await client.clientCredentials(basic);
    return refusal(keyClient.exchangeToken({ ...byKey, subjectToken: accessToken }), "invalid_grant");
  });
}

async function tokenStatus({ scenario, server, client, keyClient, prover, basic, byKey }: Setting): Promise<void> {
  const opaque = { clientId: "opaque-agent", clientSecret: server.secretOf("opaque-agent"), dpopProver: prover };

  await scenario("introspection", "shows the key of a JWT", async () => {
    const { accessToken } = await client.clientCredentials(basic);
    const { active, cnf, token_type } = await client.introspect({ ...basic, token: accessToken });
    const { jkt } = (cnf ?? {}) as { jkt?: string };
    check(active && jkt === prover.jkt, `active ${active}, jkt ${jkt}`);
    return `active, cnf.jkt, token_type ${token_type}`;
  });
  await scenario("introspection", "shows the key of an opaque token, whose response doesn't", async () => {
    const token = await client.clientCredentials(opaque);
    const { active, cnf } = await client.introspect({ ...opaque, token: token.accessToken });
    const { jkt } = (cnf ?? {}) as { jkt?: string };
    check(active && jkt === prover.jkt, `active ${active}, jkt ${jkt}`);
    return `token_type ${token.raw.token_type}, without a confirmation in the response; introspection has cnf.jkt`;
  });
  await scenario("revocation", "a revoked token isn't active", async () => {
    const { accessToken } = await keyClient.clientCredentials(byKey);
    await keyClient.revoke({ ...byKey, token: accessToken });
    const { active } = await keyClient.introspect({ ...byKey, token: accessToken });
    check(!active, "it is active");
    return "active false";
  });
}
