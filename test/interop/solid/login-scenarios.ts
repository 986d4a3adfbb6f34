/** Client credentials and logins at Community Solid Server, and what becomes of their tokens. */
import {
  type AuthorizationUrlRequest,
  type DPoPProver,
  OAuthClient,
  type RegistrationRequest,
  type Token,
} from "hardproof";
import { loopbackServer } from "../../servers/loopback-server.js";
import { check, TheirFault } from "../scenario.js";
import { reasonOf } from "../seen.js";
import type { SolidSetting } from "./setting.js";
import { logIn } from "./user.js";

const REDIRECT_URI = "http://127.0.0.1/callback";
const SCOPE = "openid webid offline_access";

/** Runs the scenarios. */
export async function loginScenarios(setting: SolidSetting): Promise<void> {
  await clientCredentials(setting);
  const login = await registeredLogin(setting);
  await logins(setting, login);
  await refreshes(setting, login);
}

/** The line of a token that is bound to the key. */
function seen({ agent }: SolidSetting, { cnfJkt, expiresIn, idTokenClaims }: Token): string {
  check(cnfJkt === agent.dpopProver.jkt, `the token is bound to ${cnfJkt}`);
  const webId =
    idTokenClaims?.webid === undefined ? "" : ` of ${String(idTokenClaims.webid).replace(/^.*\/\/[^/]*/, "")}`;
  return `a token${webId}, bound to the key, for ${expiresIn} s`;
}

async function clientCredentials(setting: SolidSetting): Promise<void> {
  const { scenario, server, client, agent } = setting;
  await scenario("client_secret_basic", "is chosen by the metadata", async () =>
    seen(setting, await client.clientCredentials(agent)),
  );
  await scenario("client_secret_post", "is accepted as well", async () => {
    const posting = await OAuthClient.discover(server.issuer, { clientAuth: "client_secret_post" });
    return seen(setting, await posting.clientCredentials(agent));
  });
  await scenario("client credentials", "act as the user", async () => {
    const { accessToken } = await client.clientCredentials(agent);
    const { webid } = JSON.parse(Buffer.from(accessToken.split(".")[1] ?? "", "base64url").toString());
    check(webid === server.user.webId, `the token is for ${webid}`);
    return "the token has the user's webid";
  });
  await scenario("refusals", "a wrong secret", async () =>
    reasonOf(() => client.clientCredentials({ ...agent, clientSecret: "wrong" })),
  );
}

/** A login by a registered client. */
interface Login {
  readonly clientId: string;
  run(options?: LoginOptions): Promise<Token>;
}

interface LoginOptions {
  client?: OAuthClient;
  clientId?: string;
  /** For the code: the key of the request is that of the agent. */
  dpopProver?: DPoPProver;
  request?: Partial<Pick<AuthorizationUrlRequest, "pushed" | "responseMode">>;
}

async function registeredLogin({ scenario, server, client, agent }: SolidSetting): Promise<Login> {
  let clientId = "";
  await scenario("registration", "registers a native client", async () => {
    ({ clientId } = await client.register({ metadata: metadata({ token_endpoint_auth_method: "none" }) }));
    return "a client ID";
  });
  return {
    clientId,
    async run(options = {}) {
      const { client: by = client, dpopProver, request } = options;
      const as = { clientId: options.clientId ?? clientId, dpopProver: agent.dpopProver };
      const consent = { scope: SCOPE, extra: { prompt: "consent" } };
      const pending = await by.authorizationUrl({ ...as, redirectUri: REDIRECT_URI, ...consent, ...request });
      const callback = await logIn(pending.url, REDIRECT_URI, server);
      return by.authorizationCode(callback, { ...as, ...pending, ...(dpopProver && { dpopProver }) });
    },
  };
}

function metadata(more: RegistrationRequest["metadata"]): RegistrationRequest["metadata"] {
  return {
    redirect_uris: [REDIRECT_URI],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    application_type: "native",
    scope: SCOPE,
    ...more,
  };
}

async function logins(setting: SolidSetting, login: Login): Promise<void> {
  const { scenario, server, client, clientKey, thief } = setting;
  await scenario("authorization code, PKCE", "logs in as the registered client", async () =>
    seen(setting, await login.run()),
  );
  await scenario("ID token", "is verified, and names the user's WebID", async () => {
    const { idTokenClaims } = await login.run();
    check(idTokenClaims?.webid === server.user.webId, `it is for ${idTokenClaims?.webid}`);
    return `claims ${Object.keys(idTokenClaims ?? {}).join(", ")}`;
  });
  await scenario("public client", "logs in with a Client ID document (Solid-OIDC §5)", async () => {
    const documents = await loopbackServer();
    try {
      const clientId = `${documents.origin.replace("127.0.0.1", "localhost")}/id`; // Otherwise it must be https:.
      const document = {
        "@context": ["https://www.w3.org/ns/solid/oidc-context.jsonld"],
        client_id: clientId,
        ...metadata({ token_endpoint_auth_method: "none" }),
      };
      documents.http.on("request", (_, response) =>
        response.setHeader("content-type", "application/ld+json").end(JSON.stringify(document)),
      );
      return seen(setting, await login.run({ clientId }));
    } finally {
      await documents.close();
    }
  });
  await scenario("private_key_jwt", "logs in as a client that has registered its key", async () => {
    const clientAuth = { method: "private_key_jwt", signer: clientKey } as const;
    const withKey = await OAuthClient.discover(server.issuer, { clientAuth });
    const { clientId } = await withKey.register({ signer: clientKey, metadata: metadata({}) });
    return seen(setting, await login.run({ client: withKey, clientId }));
  });
  await scenario("pushed request (PAR)", "pushes the request", async () =>
    seen(setting, await login.run({ request: { pushed: true } })),
  );
  await scenario("dpop_jkt", "refuses a code with another key", async () => {
    const reason = await login.run({ dpopProver: thief }).catch(({ message }: Error) => message);
    if (typeof reason === "string") return reason;
    throw new TheirFault("accepts a code with another key than that of dpop_jkt (RFC 9449 §10).");
  });
  await scenario("introspection", "tells whether a token is active", async () => {
    const { refreshToken } = await login.run();
    const { active } = await client.introspect({ clientId: login.clientId, token: refreshToken ?? "" });
    check(active, "the refresh token isn't active");
    return "the refresh token is active";
  });
  await scenario("revocation", "of a refresh token", async () => {
    const { refreshToken } = await login.run();
    const of = { clientId: login.clientId, token: refreshToken ?? "" };
    await client.revoke(of);
    const { active } = await client.introspect(of);
    check(!active, "the refresh token is still active");
    return "it isn't active afterwards";
  });
}

async function refreshes(setting: SolidSetting, { clientId, run }: Login): Promise<void> {
  const { scenario, client, agent, thief } = setting;
  const as = { clientId, dpopProver: agent.dpopProver };
  const refresh = ({ refreshToken, idTokenClaims }: Token, dpopProver = agent.dpopProver) =>
    client.refresh({ ...as, dpopProver, refreshToken: refreshToken ?? "", idTokenClaims });
  await scenario("refresh, rotation", "refreshes three times; a bound refresh token isn't rotated", async () => {
    let token = await run();
    const refreshTokens = new Set([token.refreshToken]);
    for (let round = 0; round < 3; round++) {
      token = await refresh(token);
      refreshTokens.add(token.refreshToken);
    }
    return `${seen(setting, token)}; ${refreshTokens.size} refresh token`;
  });
  await scenario("thief with another key", "can't refresh", async () => {
    const token = await run();
    const reason = await reasonOf(() => refresh(token, thief));
    return `${reason} Then the rightful client: ${seen(setting, await refresh(token))}`;
  });
}
