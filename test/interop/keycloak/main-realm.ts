/** The realm of most scenarios: one client for each way to authenticate, and one that must use PKCE. */
import {
  type AuthorizationUrlRequest,
  type DPoPProver,
  type GrantOptions,
  OAuthClient,
  type PendingAuthorization,
  type Signer,
  type Token,
} from "hardproof";
import { check } from "../scenario.js";
import { createRealm } from "./realms.js";
import { REDIRECT_URI, registration } from "./registration.js";
import type { KeycloakServer } from "./server.js";
import { logIn } from "./user.js";

/** The name of the realm. */
export const REALM = "main";
/** The secret of `secret-agent`, with characters that Basic must encode. */
export const SECRET = "correct horse:battery+staple%";
export const SCOPE = "openid profile";

/** A client in requests. */
export type Agent = Pick<GrantOptions, "clientId" | "clientSecret"> & { dpopProver: DPoPProver };

/** A user who has logged in. */
export interface Login {
  readonly pending: PendingAuthorization;
  /** The callback's URL with its code, which wasn't used. */
  readonly callback: string;
}

/** The realm, with the client `agent` that authenticates by the key on the token. */
export interface MainRealm {
  readonly issuer: string;
  readonly client: OAuthClient;
  readonly agent: Agent;
  /** Returns the URL of an endpoint of the server's metadata. */
  endpoint(name: "token_endpoint" | "userinfo_endpoint"): string;
  /** Logs the user in by a browser. */
  logIn(request?: Partial<AuthorizationUrlRequest>, client?: OAuthClient): Promise<Login>;
  /** Logs the user in, and returns the token. */
  userToken(agent?: Agent, client?: OAuthClient): Promise<Token>;
  /** Checks that a token is bound to the key, and describes it. */
  seenToken(token: Token): string;
}

/** Creates the realm. */
export async function mainRealm(server: KeycloakServer, signer: Signer, prover: DPoPProver): Promise<MainRealm> {
  const withoutKey = { ...(await registration("secret-agent", signer)), clientAuthenticatorType: "client-secret" };
  const clients = [
    await registration("agent", signer),
    await registration("pkce-agent", signer, { "pkce.code.challenge.method": "S256" }),
    { ...withoutKey, secret: SECRET },
    {
      ...(await registration("tls-agent", signer, { "x509.subjectdn": "CN=agent" })),
      clientAuthenticatorType: "client-x509",
    },
    { ...withoutKey, clientId: "public-agent", publicClient: true, serviceAccountsEnabled: false },
  ];
  const issuer = await createRealm(server, { name: REALM, clients });
  const clientAuth = { method: "private_key_jwt", signer } as const;
  const client = await OAuthClient.discover(issuer, { requireBinding: true, clientAuth });
  const agent = { clientId: "agent", dpopProver: prover };
  const login: MainRealm["logIn"] = async (request = {}, by = client) => {
    const options = { ...agent, redirectUri: REDIRECT_URI, scope: SCOPE, ...request } as AuthorizationUrlRequest;
    const pending = await by.authorizationUrl(options);
    return { pending, callback: await logIn(pending.url, REDIRECT_URI) };
  };
  return {
    issuer,
    client,
    agent,
    endpoint: (name) => String(client.metadata?.[name]),
    logIn: login,
    userToken: async (as = agent, by = client) => {
      const { pending, callback } = await login(as, by);
      return by.authorizationCode(callback, { ...as, ...pending });
    },
    seenToken: ({ cnfJkt, expiresIn }) => {
      check(cnfJkt === prover.jkt, `the token is bound to ${cnfJkt}, the key is ${prover.jkt}`);
      return `a token bound to the key on the token, for ${expiresIn} s`;
    },
  };
}

/** Returns the message of the error that the work must end with, without the URL that it begins with. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => {
      throw new Error("It succeeded.");
    },
    (error: Error) => error.message.replace(/^http\S+ responded with /, ""),
  );
}
