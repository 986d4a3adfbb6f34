/**
 * The client that the suite tests: Hardproof, with its keys on a token, and a browser. It checks nothing by itself: each
 * refusal is the library's.
 */
import { randomBytes } from "node:crypto";
import {
  type ClientAuth,
  type DPoPProver,
  dpopFetch,
  type GrantRequest,
  OAuthClient,
  OAuthError,
  type Signer,
  type Token,
} from "hardproof";
import { authorizeInBrowser, postedForm } from "../../servers/browser.js";
import type { ClientKind } from "./plans.js";

/** The client's identity, the same in every plan. */
export const CLIENT_ID = "hardproof";
export const CLIENT_SECRET = randomBytes(24).toString("base64url");
export const REDIRECT_URI = "https://127.0.0.1/callback";

/** Milliseconds. A suite that has just started takes long for its first requests. */
const TIMEOUT = 60_000;

/** The client's keys. */
export interface Keys {
  readonly signer: Signer;
  readonly prover: DPoPProver;
}

/** The client in one module. */
export interface Session extends Keys {
  readonly kind: ClientKind;
  readonly issuer: string;
  /** Where the token is used. */
  readonly resource: string;
  readonly responseMode?: "form_post" | undefined;
  /** How often the user logs in. */
  readonly logins: number;
  /** A part of the last URL that is requested: the module has ended then, and any other request would fail it. */
  readonly lastPath: string | undefined;
}

/** Runs the client, and returns what it came to: a call of the resource, or the response that the library refused. */
export async function runClient(session: Session): Promise<string> {
  const ended = new AbortController();
  try {
    const status = await useServer(session, fetchUntil(session.lastPath, ended));
    return `called the resource: ${status}`;
  } catch (error) {
    if (ended.signal.aborted) return `stopped after ${session.lastPath}`;
    const isRefusal = error instanceof OAuthError && error.code === "invalid-response";
    if (isRefusal) return `refused: ${error.message}`;
    throw error; // The suite would take a request that failed for a refusal.
  }
}

/** Returns the status of the resource. */
async function useServer(session: Session, ownFetch: typeof fetch): Promise<number> {
  const { kind, issuer, resource, signer, prover, logins } = session;
  const clientAuth: ClientAuth = kind.auth === "private_key_jwt" ? { method: kind.auth, signer } : kind.auth;
  const options = { profile: kind.profile, clientAuth, fetch: ownFetch, timeout: TIMEOUT };
  const client = await OAuthClient.discover(issuer, options);
  const scheme = kind.profile ? undefined : "Bearer"; // The plans of OpenID Connect don't bind tokens.
  let status = 0;
  for (let login = 0; login < logins; login += 1) {
    const token = await requestToken(client, session, ownFetch);
    ({ status } = await dpopFetch({ prover, token, scheme, fetch: ownFetch })(resource));
  }
  return status;
}

async function requestToken(client: OAuthClient, session: Session, ownFetch: typeof fetch): Promise<Token> {
  const { kind, prover } = session;
  const clientSecret = kind.auth === "client_secret_basic" ? CLIENT_SECRET : undefined;
  const agent = { clientId: CLIENT_ID, clientSecret, dpopProver: prover, scope: kind.scope };
  if (kind.grant === "client_credentials") return client.clientCredentials(agent);
  const token = await logIn(client, agent, session, ownFetch);
  if (!kind.refreshes) return token;
  const { refreshToken, idTokenClaims } = token;
  return client.refresh({ ...agent, refreshToken: refreshToken ?? "", idTokenClaims });
}

async function logIn(
  client: OAuthClient,
  agent: GrantRequest,
  { kind, signer, responseMode }: Session,
  ownFetch: typeof fetch,
): Promise<Token> {
  const requestObject = kind.signsRequest ? { signer } : undefined;
  const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, responseMode, requestObject });
  const browse = responseMode === "form_post" ? postedForm : authorizeInBrowser;
  const callback = await browse(pending.url, REDIRECT_URI, { fetch: ownFetch });
  return client.authorizationCode(callback, { ...agent, ...pending });
}

/** Returns a new function for each module, since the library caches metadata and keys for each one. */
function fetchUntil(lastPath: string | undefined, ended: AbortController): typeof fetch {
  return async (input, init) => {
    ended.signal.throwIfAborted();
    if (lastPath !== undefined && new Request(input).url.includes(lastPath)) ended.abort();
    return fetch(input, init);
  };
}
