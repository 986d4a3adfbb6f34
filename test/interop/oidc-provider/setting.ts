/** What the scenarios at oidc-provider share: its clients, keys on a SoftHSM token, and a login. */
import {
  type AuthorizationUrlRequest,
  clientJwks,
  DPoPProver,
  type GrantOptions,
  OAuthClient,
  type OAuthClientOptions,
  type Signer,
  type Token,
} from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import type { ClientMetadata } from "oidc-provider";
import { confidential } from "../../servers/authorization-server.js";
import { authorizeInBrowser } from "../../servers/browser.js";
import { check, type Scenario } from "../scenario.js";
import { refusalOf } from "../seen.js";
import { type OidcProvider, oidcProvider } from "./server.js";

/** Nothing listens there: the callback isn't fetched. */
export const REDIRECT_URI = "http://127.0.0.1/callback";
/** Clients without a user can't register themselves without it. */
export const INITIAL_ACCESS_TOKEN = "an-initial-access-token";

/** A client as every request names it. */
export type Agent = GrantOptions & { readonly dpopProver: DPoPProver };

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  /** It requires nonces. */
  readonly server: OidcProvider;
  readonly signer: Signer;
  readonly prover: DPoPProver;
  /** The key of client assertions and request objects. */
  readonly clientKey: Signer;
  /** Somebody else's key. */
  readonly thief: DPoPProver;
  /** Authenticates by `private_key_jwt`. */
  readonly client: OAuthClient;
  readonly agent: Agent;
  /** The registration of `agent`, for other servers. */
  readonly registration: ClientMetadata;
}

/** Starts the server and the token, and runs the work with a client. */
export async function withSetting(scenario: Scenario, work: (setting: Setting) => Promise<void>): Promise<void> {
  await using hsm = await softHsm({ label: "oidc-provider" });
  await hsm.addKey({ label: "client", id: "02", algorithm: "ES256" });
  await hsm.addKey({ label: "thief", id: "03", algorithm: "ES256" });
  await using signer = signerOf(hsm, hsm.key.label);
  await using clientKey = signerOf(hsm, "client");
  await using thiefKey = signerOf(hsm, "thief");
  const registration = await registrationOf(clientKey);
  await using server = await oidcProvider({
    userinfo: true,
    registration: { initialAccessToken: INITIAL_ACCESS_TOKEN },
    clients: [registration],
  });
  const prover = await DPoPProver.create(signer);
  await work({
    scenario,
    server,
    signer,
    prover,
    clientKey,
    thief: await DPoPProver.create(thiefKey),
    client: await byKey(server, clientKey),
    agent: { clientId: registration.client_id, dpopProver: prover },
    registration,
  });
}

function signerOf({ module, token, pin }: SoftHsm, key: string): Pkcs11Signer {
  return new Pkcs11Signer({ module, token, key, pin });
}

async function registrationOf(clientKey: Signer): Promise<ClientMetadata> {
  return {
    ...confidential,
    client_id: "key-agent",
    grant_types: [...confidential.grant_types, "urn:openid:params:grant-type:ciba"],
    backchannel_token_delivery_mode: "poll",
    token_endpoint_auth_method: "private_key_jwt",
    dpop_bound_access_tokens: true,
    jwks: (await clientJwks(clientKey)) as NonNullable<ClientMetadata["jwks"]>,
  };
}

/** Creates a client that authenticates by the key, and accepts only bound tokens. */
export function byKey({ issuer }: { issuer: string }, signer: Signer, options: Partial<OAuthClientOptions> = {}) {
  const clientAuth = { method: "private_key_jwt", signer } as const;
  return OAuthClient.discover(issuer, { clientAuth, requireBinding: true, ...options });
}

interface Login extends Partial<Omit<AuthorizationUrlRequest, "binding" | "dpopProver">> {
  /** Redeems the code. Default: the agent's prover. */
  readonly redeemer?: DPoPProver;
  /** The browser's. */
  readonly fetch?: typeof fetch;
}

/** Logs the user in, and redeems the code. */
export async function logIn(client: OAuthClient, agent: Agent, more: Login = {}) {
  const { redeemer = agent.dpopProver, fetch, ...request } = more;
  const login = { ...agent, redirectUri: REDIRECT_URI, scope: "openid", ...request } as AuthorizationUrlRequest;
  const pending = await client.authorizationUrl(login);
  const callback = await authorizeInBrowser(pending.url, REDIRECT_URI, fetch && { fetch });
  const token = await client.authorizationCode(callback, { ...agent, ...pending, dpopProver: redeemer });
  const names = (url: string) => [...new URL(url).searchParams.keys()].join(", ");
  return { token, pending, callback, request: names(pending.url), response: names(callback) };
}

/** Returns the refresh token. */
export function refreshTokenOf({ refreshToken }: Token): string {
  check(refreshToken !== null, "the response has no refresh token");
  return refreshToken;
}

/**
 * Returns one line about a token. Only a JWT says which key it is bound to.
 *
 * @throws {Error} If it isn't bound to the key.
 */
export function seenToken({ cnfJkt, tokenType, expiresIn }: Token, { jkt }: DPoPProver): string {
  check((cnfJkt ?? jkt) === jkt, `the token is bound to ${cnfJkt}, but the key is ${jkt}`);
  check(tokenType === "DPoP", `token_type is ${tokenType}`);
  return `${cnfJkt === null ? "an opaque" : "a JWT"} token of type DPoP, for ${expiresIn} s`;
}

/**
 * Returns the error of a request that the server refuses.
 *
 * @throws {Error} If it succeeds, or fails with another code.
 */
export async function refusedWith(code: string, work: () => Promise<unknown>): Promise<string> {
  return (await refusalOf(work(), code)).message;
}
