/** Every way in which a client authenticates at Keycloak. */
import { type ClientAuth, OAuthClient } from "hardproof";
import { fetchWith } from "../../servers/mutual-tls.js";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { REALM, refusalOf, SECRET } from "./main-realm.js";

/** Runs the scenarios. */
export async function clientAuthScenarios({ scenario, server, tls, realm, prover }: Setting): Promise<void> {
  const { issuer, client, agent, seenToken, userToken } = realm;
  const withSecret = { clientId: "secret-agent", clientSecret: SECRET, dpopProver: prover };

  await scenario("private_key_jwt", "client credentials by private_key_jwt and DPoP", async () =>
    seenToken(await client.clientCredentials(agent)),
  );

  for (const clientAuth of ["client_secret_basic", "client_secret_post", undefined] as const)
    await scenario(
      clientAuth ?? "client credentials",
      `client credentials by ${clientAuth ?? "the default method for a secret"}`,
      async () => {
        const sent: string[] = [];
        const by = await discover(issuer, clientAuth, sent);
        return `${seenToken(await by.clientCredentials(withSecret))}; ${sent.join(", ")}`;
      },
    );

  await scenario("mutual TLS", "client credentials by tls_client_auth", async () => {
    const { cert: certificate } = tls.agent;
    const trusted = { clientAuth: "tls_client_auth", certificate, fetch: fetchWith(tls.agent, tls.server) } as const;
    const by = await OAuthClient.discover(`${server.secureOrigin}/realms/${REALM}`, {
      requireBinding: true,
      ...trusted,
    });
    const tlsAgent = { clientId: "tls-agent", dpopProver: prover };
    return seenToken(await by.clientCredentials(tlsAgent));
  });

  await scenario("refusals", "a wrong secret is refused", async () => {
    const by = await OAuthClient.discover(issuer);
    return refusalOf(by.clientCredentials({ ...withSecret, clientSecret: "wrong" }));
  });

  await scenario("public client", "a public client logs in, and refreshes with the same key", async () => {
    const by = await OAuthClient.discover(issuer, { requireBinding: true });
    const publicAgent = { clientId: "public-agent", dpopProver: prover };
    const token = await userToken(publicAgent, by);
    return `${seenToken(await by.refresh({ ...publicAgent, refreshToken: String(token.refreshToken) }))}, without a secret`;
  });
}

/** Creates a client that notes how it authenticates at the token endpoint. */
function discover(issuer: string, clientAuth: ClientAuth | undefined, sent: string[]): Promise<OAuthClient> {
  const noting: typeof fetch = (url, init) => {
    if (init?.method !== "POST") return fetch(url, init);
    const hasBasic = new Headers(init.headers).get("authorization")?.startsWith("Basic ") === true;
    const hasPost = String(init.body).includes("client_secret=");
    check(hasBasic !== hasPost, "the secret wasn't sent exactly once");
    sent.push(hasBasic ? "the secret by Basic" : "the secret in the form");
    return fetch(url, init);
  };
  return OAuthClient.discover(issuer, { requireBinding: true, clientAuth, fetch: noting });
}
