/** What the scenarios at the PDS share: a native client, its login, and keys on a SoftHSM token. */
import { type AuthorizationUrlRequest, type DPoPProver, OAuthClient, type Signer, type Token } from "hardproof";
import { hardwareKeys } from "../hardware-keys.js";
import type { Scenario } from "../scenario.js";
import { type Pds, startPds } from "./pds.js";
import { signIn } from "./user.js";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  readonly pds: Pds;
  readonly client: OAuthClient;
  /** The client, and the key of its tokens. */
  readonly agent: Agent;
  /** The key of client assertions: atproto forbids the one of the proofs. */
  readonly clientKey: Signer;
  /** Somebody else's key. */
  readonly thief: DPoPProver;
  /** Logs in as the user of the PDS. */
  login(options?: LoginOptions): Promise<Token>;
}

/** A client as every request names it. */
export interface Agent {
  readonly clientId: string;
  readonly dpopProver: DPoPProver;
}

/** Another client, or more parameters of the authorization request. */
export interface LoginOptions {
  client?: OAuthClient;
  agent?: Agent;
  request?: Partial<Omit<AuthorizationUrlRequest, "dpopProver" | "binding" | "clientId">>;
}

/** What a client may do at the PDS. */
export const SCOPE = "atproto transition:generic";
/** The redirect URI of native clients, with any port. */
export const REDIRECT_URI = "http://127.0.0.1/callback";

/** Returns the client ID of a client that is in development: atproto takes its metadata from the query. */
export function developmentClientId(): string {
  return `http://localhost?${new URLSearchParams({ redirect_uri: REDIRECT_URI, scope: SCOPE })}`;
}

/** Starts the PDS, and runs the work with a client for it. */
export async function withPds(scenario: Scenario, work: (setting: Setting) => Promise<void>): Promise<void> {
  await using keys = await hardwareKeys("atproto");
  await using pds = await startPds();
  const client = await OAuthClient.discover(pds.origin, { requireBinding: true });
  const agent = { clientId: developmentClientId(), dpopProver: keys.prover };
  const login: Setting["login"] = async (options = {}) => {
    const { client: by = client, agent: as = agent, request } = options;
    const pending = await by.authorizationUrl({ ...as, redirectUri: REDIRECT_URI, scope: SCOPE, ...request });
    return by.authorizationCode(await signIn(pending.url, pds.account), { ...as, ...pending });
  };
  await work({ scenario, pds, client, agent, clientKey: keys.clientKey, thief: keys.thief, login });
}

/** The URL of a method that returns the session's user. */
export function sessionUrl({ origin }: Pds): string {
  return `${origin}/xrpc/com.atproto.server.getSession`;
}
