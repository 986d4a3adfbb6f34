/** Logins on another device of the user: device authorization and CIBA. */
import { CONFIRMING, DENYING } from "../../servers/backchannel-user.js";
import { confirmDevice } from "../../servers/browser.js";
import { check } from "../scenario.js";
import { byKey, refusedWith, type Setting, seenToken } from "./setting.js";

const scope = "openid";

/** Runs the scenarios. */
export async function pollScenarios(setting: Setting): Promise<void> {
  await devices(setting);
  await backchannel(setting);
}

async function devices({ scenario, server, client, agent, prover }: Setting): Promise<void> {
  await scenario("device", "the user confirms the code while the device polls", async () => {
    const polling = await byKey(server, prover.signer, { fetch: withInterval("/device"), clientAuth: undefined });
    const publicAgent = { ...server.clients.public, dpopProver: prover };
    const device = await polling.deviceAuthorization({ ...publicAgent, scope });
    const token = device.token();
    await confirmDevice(device.verificationUri, device.userCode);
    return seenToken(await token, prover);
  });
  await scenario("device", "by private_key_jwt, with an ID token", async () => {
    const device = await client.deviceAuthorization({ ...agent, scope });
    await confirmDevice(device.verificationUri, device.userCode);
    const token = await device.token();
    check(token.idTokenClaims?.sub === "alice", `the user is ${token.idTokenClaims?.sub}`);
    return seenToken(token, prover);
  });
  await scenario("refusals", "the user denies the device", async () => {
    const device = await client.deviceAuthorization({ ...agent, scope });
    await confirmDevice(device.verificationUri, device.userCode, { answer: "no" });
    return refusedWith("access_denied", () => device.token());
  });
}

async function backchannel({ scenario, server, agent, prover, clientKey }: Setting): Promise<void> {
  const polling = await byKey(server, clientKey, { fetch: withInterval("/bc-authorize") });
  const request = (loginHint: string) => polling.backchannelAuthentication({ ...agent, scope, loginHint });
  await scenario("CIBA", "the user confirms, in poll mode", async () => {
    const token = await (await request(CONFIRMING)).token();
    check(token.idTokenClaims?.sub === CONFIRMING, `the user is ${token.idTokenClaims?.sub}`);
    return seenToken(token, prover);
  });
  await scenario("refusals", "the user denies", async () => {
    const denied = await request(DENYING);
    return refusedWith("access_denied", () => denied.token());
  });
}

/** oidc-provider doesn't return an interval, and the default is five seconds. */
function withInterval(path: string): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (!String(input).endsWith(path) || !response.ok) return response;
    return Response.json({ ...Object(await response.json()), interval: 1 });
  };
}
