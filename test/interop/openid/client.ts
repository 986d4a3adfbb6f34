/**
 * The client that the suite tests: Hardproof, with its keys on a token, and a browser. It checks nothing by itself: each
 * refusal is the library's.
 */
import { randomBytes } from "node:crypto";
import {
  type ClientAuth,
  type DPoPProver,
  dpopFetch,
  HardproofError,
  OAuthClient,
  type Signer,
  type Token,
} from "hardproof";
import { authorizeInBrowser, postedForm } from "../../servers/browser.js";
import type { ClientKind } from "./plans.js";

/** The client's identity, the same in every plan. */
export const CLIENT_ID = "hardproof";
export const CLIENT_SECRET = randomBytes(24).toString("base64url");
export const REDIRECT_URI = "https://127.0.0.1/callback";

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
  /** The end of the last path that is requested: the module has ended then, and any other request would fail it. */
  readonly lastPath: string | undefined;
}

/** Runs the client, and returns what it came to: a call of the resource, or the library's refusal. */
export async function runClient(session: Session): Promise<string> {
  const ended = new AbortController();
  try {
    return await useServer(session, fetchUntil(session.lastPath, ended));
  } catch (error) {
    if (ended.signal.aborted) return `stopped after ${session.lastPath}`;
    if (!(error instanceof HardproofError)) throw error;
    return `refused: ${error.code}: ${error.message}`;
  }
}

async function useServer(session: Session, ownFetch: typeof fetch): Promise<string> {
  const { kind, issuer, resource, signer, prover, responseMode, logins } = session;
  const clientAuth: ClientAuth = kind.auth === "private_key_jwt" ? { method: kind.auth, signer } : kind.auth;
  const client = await OAuthClient.discover(issuer, { profile: kind.profile, clientAuth, fetch: ownFetch });
  const clientSecret = kind.auth === "client_secret_basic" ? CLIENT_SECRET : undefined;
  const agent = { clientId: CLIENT_ID, clientSecret, dpopProver: prover, scope: kind.scope };
  const requestObject = kind.signsRequest ? { signer } : undefined;

  const logIn = async (): Promise<Token> => {
    const pending = await client.authorizationUrl({ ...agent, redirectUri: REDIRECT_URI, responseMode, requestObject });
    const browse = responseMode === "form_post" ? postedForm : authorizeInBrowser;
    const callback = await browse(pending.url, REDIRECT_URI, { fetch: ownFetch });
    const token = await client.authorizationCode(callback, { ...agent, ...pending });
    const { refreshToken, idTokenClaims } = token;
    if (!kind.refreshes || refreshToken === null) return token;
    return client.refresh({ ...agent, refreshToken, idTokenClaims });
  };

  let seen = "";
  for (let login = 0; login < logins; login += 1) {
    const token = await (kind.grant ? client.clientCredentials(agent) : logIn());
    const scheme = kind.profile ? undefined : "Bearer"; // The plans of OpenID Connect don't have bound tokens.
    const call = dpopFetch({ prover, token, scheme, fetch: ownFetch });
    const { status } = await call(resource);
    seen = `called the resource: ${status}`;
  }
  return seen;
}

/** Returns a new function for each module, since the library caches metadata and keys for each one. */
function fetchUntil(lastPath: string | undefined, ended: AbortController): typeof fetch {
  return async (input, init) => {
    ended.signal.throwIfAborted();
    if (lastPath !== undefined && new Request(input).url.includes(lastPath)) ended.abort();
    return fetch(input, init);
  };
}
