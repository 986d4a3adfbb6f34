/** Client authentication, introspection, revocation and registration. */
import { DPoPProver, OAuthClient, type Signer } from "hardproof";
import type { ClientMetadata } from "oidc-provider";
import { fetchWith, newCertificate, thumbprintOf } from "../../servers/mutual-tls.js";
import { check } from "../scenario.js";
import { oidcProvider } from "./server.js";
import { byKey, INITIAL_ACCESS_TOKEN, logIn, refusedWith, type Setting, seenToken } from "./setting.js";

/** Runs the scenarios. */
export async function clientScenarios(setting: Setting): Promise<void> {
  await secrets(setting);
  await keys(setting);
  await certificates(setting);
  await tokenStatus(setting);
  await registration(setting);
}

async function secrets({ scenario, server, agent, prover }: Setting): Promise<void> {
  const { post, basic } = server.clients;
  for (const [clientAuth, { clientId, clientSecret }] of [
    ["client_secret_basic", basic],
    ["client_secret_post", post],
  ] as const)
    await scenario(clientAuth, "client credentials", async () => {
      const client = await OAuthClient.discover(server.issuer, { clientAuth, requireBinding: true });
      return seenToken(await client.clientCredentials({ clientId, clientSecret, dpopProver: prover }), prover);
    });
  await scenario("client credentials", "by the default method, for a resource", async () => {
    const client = await OAuthClient.discover(server.issuer);
    const resource = "https://api.example.com/";
    const token = await client.clientCredentials({ ...basic, dpopProver: prover, scope: "read", resource });
    return `${seenToken(token, prover)}, for the scope ${token.scope}`;
  });
  for (const [title, credentials] of [
    ["a wrong secret", { ...basic, clientSecret: "wrong" }],
    ["an unknown client", { ...basic, clientId: "nobody" }],
    ["a secret of a client that has a key", { ...agent, clientSecret: "wrong" }],
  ] as const)
    await scenario("refusals", title, async () => {
      const client = await OAuthClient.discover(server.issuer, { clientAuth: "client_secret_basic" });
      return refusedWith("invalid_client", () => client.clientCredentials({ ...credentials, dpopProver: prover }));
    });
}

async function keys({ scenario, server, client, agent, prover, thief }: Setting): Promise<void> {
  await scenario("private_key_jwt", "client credentials", async () =>
    seenToken(await client.clientCredentials(agent), prover),
  );
  await scenario("refusals", "an assertion by another key", async () => {
    const impostor = await byKey(server, thief.signer);
    return refusedWith("invalid_client", () => impostor.clientCredentials(agent));
  });
}

async function certificates({ scenario, prover }: Setting): Promise<void> {
  const [own, certificate] = [newCertificate("server"), newCertificate("agent")];
  const byCertificate = {
    grant_types: ["client_credentials"],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: "tls_client_auth",
    tls_client_auth_subject_dn: "CN=agent",
  } satisfies Partial<ClientMetadata>;
  await using server = await oidcProvider({
    mutualTls: { own, client: certificate },
    clients: [
      { ...byCertificate, client_id: "proof-agent" },
      { ...byCertificate, client_id: "bound-agent", tls_client_certificate_bound_access_tokens: true },
    ],
  });
  const fetch = fetchWith(certificate, own);
  const options = { clientAuth: "tls_client_auth", certificate: certificate.cert, fetch } as const;
  await scenario("client credentials", "by tls_client_auth, with a token that is bound by DPoP", async () => {
    const client = await OAuthClient.discover(server.issuer, options);
    return seenToken(await client.clientCredentials({ clientId: "proof-agent", dpopProver: prover }), prover);
  });
  await scenario(
    "client credentials",
    "by tls_client_auth, with a token that is bound to the certificate",
    async () => {
      const client = await OAuthClient.discover(server.issuer, options);
      const { cnfX5t, tokenType } = await client.clientCredentials({ clientId: "bound-agent", binding: "certificate" });
      check(cnfX5t === thumbprintOf(certificate.cert), `the token is bound to ${cnfX5t}`);
      return `a token of type ${tokenType}`;
    },
  );
}

async function tokenStatus({ scenario, client, agent, prover }: Setting): Promise<void> {
  const { clientId } = agent;
  await scenario("introspection", "of an access token that is bound to the key", async () => {
    const { token } = await logIn(client, agent);
    const { active, sub, cnf, token_type } = await client.introspect({ clientId, token: token.accessToken });
    const { jkt } = Object(cnf);
    check(active && jkt === prover.jkt, `active is ${active}, and cnf.jkt is ${jkt}`);
    return `active, of ${sub}, token_type ${token_type}, and cnf.jkt is the key`;
  });
  for (const kind of ["accessToken", "refreshToken"] as const)
    await scenario("revocation", `of the ${kind}`, async () => {
      const { token } = await logIn(client, agent);
      await client.revoke({ clientId, token: String(token[kind]) });
      const { active } = await client.introspect({ clientId, token: String(token[kind]) });
      check(!active, "it is still active");
      return "inactive afterwards";
    });
  await scenario("revocation", "of an unknown token", async () => {
    await client.revoke({ clientId, token: "unknown" });
    return "accepted";
  });
}

const METADATA = { grant_types: ["client_credentials"], response_types: [], redirect_uris: [], client_name: "Agent 7" };

async function registration({ scenario, server, client, prover, clientKey }: Setting): Promise<void> {
  const register = (signer: Signer, initialAccessToken = INITIAL_ACCESS_TOKEN) =>
    client.register({ signer, metadata: METADATA, initialAccessToken });
  await scenario("registration", "of a key, which then authenticates", async () => {
    const { clientId } = await register(clientKey);
    return seenToken(await client.clientCredentials({ clientId, dpopProver: prover }), prover);
  });
  await scenario("registration", "is read, updated to another key, and deleted", async () => {
    const read = await client.readRegistration(await register(clientKey));
    const metadata = { ...read.metadata, client_name: "Agent 8" };
    const updated = await client.updateRegistration(read, { metadata, signer: prover.signer });
    check(updated.registrationAccessToken !== read.registrationAccessToken, "its access token isn't replaced");
    const rotated = await byKey(server, prover.signer);
    const dpopProver = await DPoPProver.create(prover.signer);
    await rotated.clientCredentials({ clientId: updated.clientId, dpopProver });
    await client.deleteRegistration(updated);
    return `its access token is replaced; at last: ${await refusedWith("invalid_token", () => client.readRegistration(updated))}`;
  });
  await scenario("refusals", "a registration with a wrong initial access token", () =>
    refusedWith("invalid_token", () => register(clientKey, "wrong")),
  );
  await scenario("refusals", "a registration of an unknown grant", () => {
    const metadata = { ...METADATA, grant_types: ["no_such_grant"] };
    return refusedWith("invalid_client_metadata", () =>
      client.register({ signer: clientKey, metadata, initialAccessToken: INITIAL_ACCESS_TOKEN }),
    );
  });
}
