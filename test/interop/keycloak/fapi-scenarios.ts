/** The profiles `fapi2` and `fapi2-message-signing` with Keycloak's client policies of the same purpose. */
import { OAuthClient, type Profile } from "hardproof";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { createRealm } from "./realms.js";
import { REDIRECT_URI, registration } from "./registration.js";
import { logIn } from "./user.js";

const clientId = "agent";
const POLICIES: readonly { profile: Profile; clientProfile: string; attributes: Record<string, string> }[] = [
  { profile: "fapi2", clientProfile: "fapi-2-dpop-security-profile", attributes: {} },
  {
    profile: "fapi2-message-signing",
    clientProfile: "fapi-2-dpop-message-signing",
    attributes: { "request.object.required": "request or request_uri" },
  },
];

/** Runs the scenarios in a realm for each policy. */
export async function fapiScenarios(setting: Setting): Promise<void> {
  for (const policy of POLICIES) await profileScenarios(setting, policy);
}

async function profileScenarios(
  { scenario, server, signer, prover }: Setting,
  { profile, clientProfile, attributes }: (typeof POLICIES)[number],
): Promise<void> {
  const client = {
    ...(await registration(clientId, signer, attributes)),
    consentRequired: true,
    fullScopeAllowed: false,
  };
  const issuer = await createRealm(server, { name: profile, clients: [client], clientProfile });
  const row = profile === "fapi2" ? "FAPI 2.0" : "FAPI 2.0 Message Signing";
  const clientAuth = { method: "private_key_jwt", signer } as const;
  const agent = { clientId, dpopProver: prover };
  const login = {
    ...agent,
    redirectUri: REDIRECT_URI,
    scope: "openid",
    requestObject: profile === "fapi2" ? undefined : { signer },
  };

  await scenario(row, `the profile ${profile} logs in and refreshes under the policy ${clientProfile}`, async () => {
    const conforming = await OAuthClient.discover(issuer, { profile, clientAuth });
    const pending = await conforming.authorizationUrl(login);
    const callback = await logIn(pending.url, REDIRECT_URI);
    const token = await conforming.authorizationCode(callback, { ...agent, ...pending });
    check(token.cnfJkt === prover.jkt, `the token is bound to ${token.cnfJkt}`);
    const refreshed = await conforming.refresh({ ...agent, refreshToken: token.refreshToken ?? "" });
    check(refreshed.cnfJkt === prover.jkt, `the refreshed token is bound to ${refreshed.cnfJkt}`);
    return `callback ${[...new URL(callback).searchParams.keys()].join(", ")}, a bound token, refreshed`;
  });

  if (profile === "fapi2-message-signing")
    await scenario(row, `the policy ${clientProfile} refuses a pushed request that isn't signed`, async () => {
      const plain = await OAuthClient.discover(issuer, { clientAuth });
      const request = plain.authorizationUrl({ ...login, requestObject: undefined, pushed: true });
      const seen = await request.then(({ url }) => logIn(url, REDIRECT_URI)).catch((error: Error) => error.message);
      check(!seen.includes("code="), seen);
      return seen;
    });

  await scenario(row, `the policy ${clientProfile} refuses a request that isn't pushed`, async () => {
    const plain = await OAuthClient.discover(issuer, { clientAuth });
    const pending = await plain.authorizationUrl({ ...login, pushed: false });
    const seen = await logIn(pending.url, REDIRECT_URI).catch((error: Error) => error.message);
    check(!seen.includes("code="), seen);
    return seen;
  });
}
