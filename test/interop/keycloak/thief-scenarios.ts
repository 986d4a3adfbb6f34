/** What a thief can do with a copied proof, access token or refresh token: nothing. */
import { DPoPProver, dpopFetch, OAuthClient } from "hardproof";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { refusalOf, SECRET } from "./main-realm.js";

/** Runs the scenarios. */
export async function thiefScenarios({ scenario, realm, prover }: Setting): Promise<void> {
  const { issuer, endpoint, userToken } = realm;
  const userinfo = endpoint("userinfo_endpoint");
  const thief = await DPoPProver.generate();

  await scenario("replayed proof", "a proof is accepted once: by userinfo", async () => {
    const { accessToken } = await userToken();
    const proof = await prover.makeProof({ htm: "GET", htu: userinfo, accessToken });
    const headers = { authorization: `DPoP ${accessToken}`, dpop: proof };
    return twice(() => fetch(userinfo, { headers }));
  });

  await scenario("replayed proof", "a proof is accepted once: by the token endpoint", async () => {
    const url = endpoint("token_endpoint");
    const proof = await prover.makeProof({ htm: "POST", htu: url });
    const body = { grant_type: "client_credentials", client_id: "secret-agent", client_secret: SECRET };
    return twice(() => fetch(url, { method: "POST", headers: { dpop: proof }, body: new URLSearchParams(body) }));
  });

  await scenario(
    "thief with another key",
    "a stolen access token is refused with another key, by this library and by the server",
    async () => {
      const token = await userToken();
      const here = await refusalOf(dpopFetch({ prover: thief, token })(userinfo));
      const proof = await thief.makeProof({ htm: "GET", htu: userinfo, accessToken: token.accessToken });
      const headers = { authorization: `DPoP ${token.accessToken}`, dpop: proof };
      return `${here} ${await seenRefusal(await fetch(userinfo, { headers }))}`;
    },
  );

  await scenario("thief with another key", "a stolen access token is refused as a Bearer token", async () => {
    const { accessToken } = await userToken();
    return seenRefusal(await fetch(userinfo, { headers: { authorization: `Bearer ${accessToken}` } }));
  });

  await scenario(
    "thief with another key",
    "a stolen refresh token of a public client is refused with another key",
    async () => {
      const by = await OAuthClient.discover(issuer);
      const publicAgent = { clientId: "public-agent", dpopProver: prover };
      const refreshToken = String((await userToken(publicAgent, by)).refreshToken);
      return refusalOf(by.refresh({ ...publicAgent, dpopProver: thief, refreshToken }));
    },
  );
}

async function twice(send: () => Promise<Response>): Promise<string> {
  const first = await send();
  check(first.ok, `the first request got status ${first.status}: ${await first.text()}`);
  return seenRefusal(await send());
}

/** Checks that a response isn't a success, and describes it: its status, challenge and body. */
export async function seenRefusal(response: Response): Promise<string> {
  check(!response.ok, `it has status ${response.status}`);
  const challenge = response.headers.get("www-authenticate");
  return [`status ${response.status}`, challenge, await response.text()].filter(Boolean).join(", ");
}
