/** Logins at the PDS, by every kind of client that atproto has. */
import { clientJwks, OAuthClient, type Token } from "hardproof";
import { check, TheirFault } from "../scenario.js";
import { reasonOf } from "../seen.js";
import { CLIENT_HOST } from "./pds.js";
import { type Agent, REDIRECT_URI, SCOPE, type Setting } from "./setting.js";
import { signIn } from "./user.js";

const CALLBACK = `https://${CLIENT_HOST}/callback`;

/** Runs the scenarios. */
export async function loginScenarios(setting: Setting): Promise<void> {
  await nativeClient(setting);
  await confidentialClient(setting);
  await refusedLogins(setting);
}

const METADATA = {
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  scope: SCOPE,
  dpop_bound_access_tokens: true,
};

/** The line of a token, if it belongs to the user and is bound to the key. */
function seen({ pds, agent }: Setting, { raw, cnfJkt, expiresIn, scope }: Token): string {
  check(raw.sub === pds.account.did, `the token is for ${raw.sub}`);
  check(cnfJkt === agent.dpopProver.jkt, `the token is bound to ${cnfJkt}`);
  return `a token for ${String(raw.sub).slice(0, 8)}…, bound to the key, for ${expiresIn} s, scope ${scope}`;
}

async function nativeClient(setting: Setting): Promise<void> {
  const { scenario, pds, agent, login } = setting;
  await scenario("authorization code, PKCE", "logs in as http://localhost, the client for development", async () =>
    seen(setting, await login()),
  );
  await scenario("authorization code, PKCE", "takes the callback from a fragment", async () =>
    seen(setting, await login({ request: { responseMode: "fragment" } })),
  );
  await scenario("public client", "logs in as a native client with a metadata document", async () => {
    const clientId = pds.publish("/native.json", {
      ...METADATA,
      client_id: `https://${CLIENT_HOST}/native.json`,
      application_type: "native",
      token_endpoint_auth_method: "none",
      redirect_uris: [REDIRECT_URI],
    });
    return seen(setting, await login({ agent: { ...agent, clientId } }));
  });
}

async function confidentialClient(setting: Setting): Promise<void> {
  const { scenario, pds, agent, clientKey, login } = setting;
  const { dpopProver } = agent;
  const publish = async (path: string, jwks: object): Promise<Agent> => {
    const metadata = {
      ...METADATA,
      client_id: `https://${CLIENT_HOST}${path}`,
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "ES256",
      redirect_uris: [CALLBACK],
      ...jwks,
    };
    return { dpopProver, clientId: pds.publish(path, metadata) };
  };
  const request = { redirectUri: CALLBACK };
  const client = await OAuthClient.discover(pds.origin, {
    clientAuth: { method: "private_key_jwt", signer: clientKey },
  });
  const jwksUri = pds.publish("/jwks.json", await clientJwks(clientKey));
  const confidential = await publish("/web.json", { jwks_uri: jwksUri });

  await scenario(
    "private_key_jwt",
    "logs in and refreshes with two keys, one of them in the client's jwks_uri",
    async () => {
      const token = await login({ client, agent: confidential, request });
      return seen(setting, await client.refresh({ ...confidential, refreshToken: token.refreshToken ?? "" }));
    },
  );
  await scenario("refusals", "a proof with the key of the assertion", async () => {
    const { signer } = dpopProver;
    const sameKey = await OAuthClient.discover(pds.origin, { clientAuth: { method: "private_key_jwt", signer } });
    const same = await publish("/same.json", { jwks: await clientJwks(signer) });
    const reason = await login({ client: sameKey, agent: same, request }).catch(({ message }: Error) => message);
    if (typeof reason === "string") return reason;
    throw new TheirFault(
      "is accepted, though its source forbids it: the check compares a thumbprint by SHA-512 with one by SHA-256.",
    );
  });
  const signed = { ...request, requestObject: { signer: clientKey } };
  await scenario("request object", "pushes a request that is signed by the key of a public client", async () => {
    const jwks = { token_endpoint_auth_method: "none", token_endpoint_auth_signing_alg: undefined, jwks_uri: jwksUri };
    const agent = await publish("/public.json", jwks);
    return seen(setting, await login({ agent, request: signed }));
  });
  await scenario("request object", "pushes a request that is signed by the key of the assertion", async () => {
    const token = await login({ client, agent: confidential, request: signed }).catch((error: Error) => {
      if (!error.message.includes("Required at body.client_id")) throw error;
      throw new TheirFault(
        "requires client_id beside the assertion and the request object: only these belong in the form (RFC 9126 §3).",
      );
    });
    return seen(setting, token);
  });
}

async function refusedLogins({ scenario, pds, client, agent, thief, login }: Setting): Promise<void> {
  await scenario("pushed request (PAR)", "pushes each request, because the metadata requires it", async () => {
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: SCOPE });
    const names = [...new URL(pending.url).searchParams.keys()];
    check(names.join() === "client_id,request_uri", `the URL has ${names}`);
    return `the URL has only ${names.join(" and ")}`;
  });
  await scenario("dpop_jkt", "refuses a code with another key", async () => {
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: SCOPE });
    const callback = await signIn(pending.url, pds.account);
    return reasonOf(() => client.authorizationCode(callback, { ...agent, ...pending, dpopProver: thief }));
  });
  await scenario("refusals", "reports that the user refused", async () => {
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope: SCOPE });
    const callback = await signIn(pending.url, pds.account, "reject");
    return reasonOf(() => client.authorizationCode(callback, { ...agent, ...pending }));
  });
  await scenario("refusals", "reports a scope that the client doesn't have", async () =>
    reasonOf(() => login({ request: { scope: `${SCOPE} transition:email` } })),
  );
  await scenario("refusals", "reports a redirect URI that the client doesn't have", async () =>
    reasonOf(() => login({ request: { redirectUri: "http://127.0.0.1/other" } })),
  );
  await scenario("refusals", "reports a client without a document", async () =>
    reasonOf(() => login({ agent: { ...agent, clientId: `https://${CLIENT_HOST}/none.json` } })),
  );
}
