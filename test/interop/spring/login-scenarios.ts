/** Logins by authorization code, and what follows them: refreshes and the userinfo endpoint. */
import { type DPoPProver, dpopFetch, type OAuthClient, type OAuthError, type Token, tokenSource } from "hardproof";
import { check, TheirFault } from "../scenario.js";
import { refusal, seenResponse, seenToken } from "../seen.js";
import { type Agent, REDIRECT_URI, type Setting } from "./setting.js";
import { logIn } from "./user.js";

/** What a login requests. */
interface LoginOptions {
  scope?: string;
  pushed?: boolean;
  /** Redeems the code. Default: the prover of the login. */
  redeemer?: DPoPProver;
}

/** Runs the scenarios. */
export async function loginScenarios(setting: Setting): Promise<void> {
  await codes(setting);
  await refreshes(setting);
  await endedToken(setting);
}

/** Logs in as the user. */
export async function login(
  { server }: Setting,
  client: OAuthClient,
  agent: Agent,
  { scope = "openid read", pushed = false, redeemer = agent.dpopProver }: LoginOptions = {},
): Promise<Token> {
  const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, scope, pushed });
  const callback = await logIn(pending.url, REDIRECT_URI, server.user);
  return client.authorizationCode(callback, { ...agent, ...pending, dpopProver: redeemer });
}

async function codes(setting: Setting): Promise<void> {
  const { scenario, client, keyClient, prover, thief, basic, byKey, server } = setting;

  await scenario("authorization code, PKCE", "a login by private_key_jwt", async () =>
    seenToken(await login(setting, keyClient, byKey), prover),
  );
  await scenario("public client", "a login without client authentication", async () => {
    const token = await login(setting, client, { clientId: "public-agent", dpopProver: prover });
    return `${seenToken(token, prover)}; ${token.refreshToken === null ? "no refresh token" : "a refresh token"}`;
  });
  await scenario("pushed request (PAR)", "the URL contains only a reference", async () => {
    const request = { ...byKey, redirectUri: REDIRECT_URI, scope: "openid", pushed: true };
    const { url } = await keyClient.authorizationUrl(request);
    const names = [...new URL(url).searchParams.keys()].join(", ");
    check(names === "client_id, request_uri", `the URL has ${names}`);
    return `${seenToken(await login(setting, keyClient, byKey, { pushed: true }), prover)}; the URL has ${names}`;
  });
  await scenario("ID token", "is verified by the server's key", async () => {
    const { idTokenClaims } = await login(setting, client, basic);
    check(idTokenClaims?.sub === server.user.username, `the user is ${idTokenClaims?.sub}`);
    return `of the user ${idTokenClaims.sub}`;
  });
  await scenario("dpop_jkt", "a code that is redeemed with another key", async () => {
    const token = await login(setting, keyClient, byKey, { redeemer: thief }).catch(refused);
    if (typeof token === "string") return token;
    throw new TheirFault(`dpop_jkt is ignored: the code was redeemed with another key (RFC 9449 §10)`);
  });
  await scenario("refusals", "a code is used twice", async () => {
    const pending = await keyClient.authorizationUrl({ ...byKey, redirectUri: REDIRECT_URI, scope: "read" });
    const callback = await logIn(pending.url, REDIRECT_URI, server.user);
    const redeem = () => keyClient.authorizationCode(callback, { ...byKey, ...pending });
    await redeem();
    return refusal(redeem(), "invalid_grant");
  });
  await scenario("refusals", "the server redirects with an error", () =>
    refusal(login(setting, client, basic, { scope: "admin" }), "invalid_scope"),
  );
}

const refused = (error: Error) => error.message;

async function refreshes(setting: Setting): Promise<void> {
  const { scenario, client, keyClient, prover, thief, basic, byKey } = setting;

  await scenario("refresh, rotation", "reuseRefreshTokens(false): a new refresh token", async () => {
    const first = await login(setting, keyClient, byKey);
    const { refreshToken, idTokenClaims } = first;
    const second = await keyClient.refresh({ ...byKey, refreshToken: refreshToken ?? "", idTokenClaims });
    check(second.refreshToken !== refreshToken, "the refresh token is the same");
    return `${seenToken(second, prover)}, another refresh token`;
  });
  await scenario("refresh, rotation", "Spring's default: the same refresh token", async () => {
    const { refreshToken } = await login(setting, client, basic);
    const second = await client.refresh({ ...basic, refreshToken: refreshToken ?? "" });
    check(second.refreshToken === refreshToken, "the refresh token is another one");
    return `${seenToken(second, prover)}, the same refresh token`;
  });
  await scenario("reused refresh token", "is refused, and the new one still works", async () => {
    const { refreshToken } = await login(setting, keyClient, byKey);
    const refresh = (token: string | null) => keyClient.refresh({ ...byKey, refreshToken: token ?? "" });
    const second = await refresh(refreshToken);
    const words = await refusal(refresh(refreshToken), "invalid_grant");
    return `${words}; the new one: ${seenToken(await refresh(second.refreshToken), prover)}`;
  });
  await scenario("thief with another key", "a refresh token needs the client's authentication", async () => {
    const { refreshToken } = await login(setting, keyClient, byKey);
    const stolen = { clientId: "key-agent", dpopProver: thief, refreshToken: refreshToken ?? "" };
    const error = await client.refresh(stolen).then(
      () => undefined,
      (thrown: OAuthError) => thrown,
    );
    check(error?.statusCode === 401, error?.message ?? "the thief got a token");
    return "status 401 without a body";
  });
}

async function endedToken(setting: Setting): Promise<void> {
  const { scenario, server, keyClient, prover, byKey } = setting;
  const userinfo = `${server.origin}/userinfo`; // which only the metadata of OpenID Connect names

  await scenario("token that ended", "is renewed once at the userinfo endpoint", async () => {
    const token = await login(setting, keyClient, byKey);
    const source = tokenSource({ client: keyClient, prover, clientId: "key-agent", grantType: "refresh_token", token });
    const call = dpopFetch({ prover, token: source, renewOn401: true }); // Spring sends no challenge.
    const first = await call(userinfo);
    check(first.ok, `a valid token: ${seenResponse(first)}`);
    await keyClient.revoke({ ...byKey, token: token.accessToken });
    const revoked = await dpopFetch({ prover, token })(userinfo);
    const second = await call(userinfo);
    check(second.ok, `a revoked token: ${seenResponse(second)}`);
    return `the revoked token got ${seenResponse(revoked)}; the source refreshed it`;
  });
}
