/** Logins: signed and pushed requests, signed responses, userinfo, and codes that are bound to a key. */
import { type AuthorizationUrlRequest, DPoPProver, dpopFetch } from "hardproof";
import type { Setting } from "../keycloak.js";
import { check, type Row } from "../scenario.js";
import { refusalOf } from "./main-realm.js";

/** Runs the scenarios. */
export async function loginScenarios({ scenario, realm, prover, signer }: Setting): Promise<void> {
  const { client, agent, endpoint, logIn, userToken, seenToken } = realm;

  await scenario("authorization code, PKCE", "a login and userinfo", async () => {
    const token = await userToken();
    const response = await dpopFetch({ prover, token })(endpoint("userinfo_endpoint"));
    const { preferred_username: name } = (await response.json()) as { preferred_username?: string };
    check(name === "alice", `userinfo has status ${response.status} and the user ${name}`);
    return `${seenToken(token)}, of the user ${name}`;
  });

  await scenario("ID token", "a login has a verified ID token", async () => {
    const { idTokenClaims } = await userToken();
    check(typeof idTokenClaims?.sub === "string", "there is no ID token");
    return `of a user, issued to ${String(idTokenClaims.azp)}`;
  });

  await scenario("refresh, rotation", "a refresh replaces both tokens", async () => {
    const token = await userToken();
    const refreshed = await client.refresh({ ...agent, refreshToken: String(token.refreshToken) });
    check(refreshed.accessToken !== token.accessToken, "the access token is the same");
    check(refreshed.refreshToken !== token.refreshToken, "the refresh token is the same");
    return seenToken(refreshed);
  });

  const variants: [row: Row, title: string, request: Partial<AuthorizationUrlRequest>][] = [
    ["signed response (JARM)", "a signed response", { responseMode: "jwt" }],
    ["pushed request (PAR)", "a pushed request with PKCE and dpop_jkt", { pushed: true }],
    ["request object", "a request object signed by the key on the token", { requestObject: { signer } }],
    [
      "request object",
      "the same, pushed, with a signed response",
      { requestObject: { signer }, pushed: true, responseMode: "jwt" },
    ],
  ];
  for (const [row, title, request] of variants)
    await scenario(row, `a login by ${title}`, async () => {
      const { pending, callback } = await logIn(request);
      const token = await client.authorizationCode(callback, { ...agent, ...pending });
      return `${seenToken(token)}; request ${namesOf(pending.url)}; callback ${namesOf(callback)}`;
    });

  for (const pushed of [false, true])
    await scenario(
      "dpop_jkt",
      `a code with dpop_jkt${pushed ? ", pushed," : ""} isn't exchanged with another key`,
      async () => {
        const { pending, callback } = await logIn({ pushed });
        const dpopProver = await DPoPProver.generate();
        return refusalOf(client.authorizationCode(callback, { ...agent, ...pending, dpopProver }));
      },
    );
}

function namesOf(url: string): string {
  return [...new URL(url).searchParams.keys()].join(", ");
}
