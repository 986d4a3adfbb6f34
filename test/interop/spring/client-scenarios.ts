/** How clients authenticate, and how they are registered. */
import { check } from "../scenario.js";
import { messageOf, refusal, seenToken } from "../seen.js";
import { discover, REDIRECT_URI, type Setting } from "./setting.js";

/** Runs the scenarios. */
export async function clientScenarios(setting: Setting): Promise<void> {
  await authentication(setting);
  await registration(setting);
}

async function authentication({ scenario, server, prover, client, keyClient, basic, byKey }: Setting) {
  const post = { clientId: "post-agent", clientSecret: server.secretOf("post-agent"), dpopProver: prover };

  await scenario("client_secret_basic", "is the default for a secret", async () =>
    seenToken(await client.clientCredentials(basic), prover),
  );
  await scenario("client_secret_post", "is used if it is chosen", async () => {
    const posting = await discover(server, { clientAuth: "client_secret_post" });
    return seenToken(await posting.clientCredentials(post), prover);
  });
  await scenario("refusals", "a client of client_secret_post isn't known by Basic", async () => {
    await messageOf(client.clientCredentials(post), /client_secret_post/);
    return `${await refusal(client.clientCredentials(post), "invalid_client")}; our error names client_secret_post`;
  });
  await scenario("private_key_jwt", "by a second key on the token", async () =>
    seenToken(await keyClient.clientCredentials(byKey), prover),
  );
  await scenario("client credentials", "with a scope", async () => {
    const token = await client.clientCredentials({ ...basic, scope: "read write" });
    check(token.scope === "read write", `scope ${token.scope}`);
    return `${seenToken(token, prover)}, scope ${token.scope}`;
  });
  await scenario("refusals", "a scope that the client doesn't have", () =>
    refusal(client.clientCredentials({ ...basic, scope: "admin" }), "invalid_scope"),
  );
  await scenario("refusals", "a wrong secret", () =>
    refusal(client.clientCredentials({ ...basic, clientSecret: "wrong" }), "invalid_client"),
  );
  await scenario("refusals", "an assertion by a key that isn't registered", async () => {
    const clientAuth = { method: "private_key_jwt", signer: prover.signer } as const;
    return refusal((await discover(server, { clientAuth })).clientCredentials(byKey), "invalid_client");
  });
}

/** Spring takes a client's key by `jwks_uri` only, demands a redirect URI, and accepts each initial access token once. */
async function registration({ scenario, server, prover, client, keyClient, assertionSigner, keys }: Setting) {
  const registrar = { clientId: "registrar", clientSecret: server.secretOf("registrar"), scope: "client.create" };
  const initialAccessToken = async () => bearerToken(String(client.metadata?.token_endpoint), registrar);
  const metadata = {
    client_name: "Agent 7",
    redirect_uris: [REDIRECT_URI],
    grant_types: ["client_credentials", "authorization_code"],
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: "ES256",
    scope: "read",
  };

  await scenario("registration", "a client with the URL of its key, which then gets a token", async () => {
    const registered = await keyClient.register({
      metadata: { ...metadata, jwks_uri: keys },
      initialAccessToken: await initialAccessToken(),
    });
    const read = await keyClient.readRegistration(registered);
    check(read.clientId === registered.clientId, `the registration that was read is of ${read.clientId}`);
    const agent = { clientId: registered.clientId, dpopProver: prover };
    return seenToken(await keyClient.clientCredentials(agent), prover);
  });
  await scenario("refusals", "the registration of a key instead of its URL", async () => {
    const request = { metadata, signer: assertionSigner, initialAccessToken: await initialAccessToken() };
    return refusal(keyClient.register(request), "invalid_client_metadata");
  });
  await scenario("refusals", "a registration without a redirect URI", async () => {
    const without = { ...metadata, redirect_uris: [], jwks_uri: keys };
    const request = { metadata: without, initialAccessToken: await initialAccessToken() };
    return refusal(keyClient.register(request), "invalid_request");
  });
  await scenario("refusals", "a second registration by the same token", async () => {
    const request = { metadata: { ...metadata, jwks_uri: keys }, initialAccessToken: await initialAccessToken() };
    await keyClient.register(request);
    return refusal(keyClient.register(request), "invalid_token");
  });
  await scenario("refusals", "a registration by a token that is bound to a key", async () => {
    const bound = await client.clientCredentials({ ...registrar, dpopProver: prover });
    const request = { metadata: { ...metadata, jwks_uri: keys }, initialAccessToken: bound.accessToken };
    return refusal(keyClient.register(request), "invalid_token");
  });
}

/** Requests a token without a proof, as an administrator would. */
async function bearerToken(url: string, { clientId, clientSecret, scope }: Record<string, string>): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;
  const body = new URLSearchParams({ grant_type: "client_credentials", scope: String(scope) });
  const response = await fetch(url, { method: "POST", headers: { authorization }, body });
  return ((await response.json()) as { access_token: string }).access_token;
}
