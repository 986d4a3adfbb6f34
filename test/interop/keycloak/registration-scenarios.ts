/** Dynamic registration (RFC 7591) and its management (RFC 7592). */
import { OAuthClient } from "hardproof";
import type { Setting } from "../keycloak.js";
import { check } from "../scenario.js";
import { REALM, refusalOf } from "./main-realm.js";
import { adminApi } from "./realms.js";
import { REDIRECT_URI } from "./registration.js";

/** Runs the scenarios. */
export async function registrationScenarios({ scenario, server, signer, prover, realm }: Setting): Promise<void> {
  const { issuer, seenToken } = realm;
  const client = await OAuthClient.discover(issuer, {
    requireBinding: true,
    clientAuth: { method: "private_key_jwt", signer },
  });
  const metadata = {
    client_name: "agent 7",
    redirect_uris: [REDIRECT_URI],
    grant_types: ["client_credentials"],
    token_endpoint_auth_signing_alg: "ES256",
  };

  await scenario("registration", "a client registers its key, is read, updated and deleted", async () => {
    const body = { count: 1, expiration: 60 };
    const answer = await (await adminApi(server))("POST", `/${REALM}/clients-initial-access`, body);
    const { token: initialAccessToken } = JSON.parse(answer) as { token: string };
    const registered = await client.register({ initialAccessToken, signer, metadata });
    const { clientId } = registered;
    const token = seenToken(await client.clientCredentials({ clientId, dpopProver: prover }));
    const read = await client.readRegistration(registered);
    const update = { signer, metadata: { ...read.metadata, client_name: "agent 8" } };
    const updated = await client.updateRegistration(read, update);
    check(updated.metadata.client_name === "agent 8", `the name is ${updated.metadata.client_name}`);
    await client.deleteRegistration(updated);
    const refusal = await refusalOf(client.clientCredentials({ clientId, dpopProver: prover }));
    const { token_endpoint_auth_method: method, dpop_bound_access_tokens: bound } = registered.metadata;
    return `${method}, dpop_bound_access_tokens ${bound}, ${token}; after the deletion: ${refusal}`;
  });

  await scenario("registration", "a registration without an initial access token is refused", async () =>
    refusalOf(client.register({ signer, metadata })),
  );
}
