/** How a token is followed by the next one: from the store, by its refresh token, or by the grant again (RFC 6749 §6). */
import type { DPoPProver } from "./dpop-prover.js";
import { OAuthError } from "./errors.js";
import { boundKeys, Token } from "./token.js";
import type { TokenRequest } from "./token-request.js";
import type { StoredToken, TokenStore } from "./token-store.js";

/** What is needed of an `OAuthClient`. */
export interface TokenClient {
  getTokenWithDPoP(request: TokenRequest): Promise<Token>;
  readonly metadata?: { readonly issuer: string } | undefined;
}

export interface TokenRenewalOptions extends Omit<TokenRequest, "dpopProver" | "signal"> {
  client: TokenClient;
  prover: DPoPProver;
  /** A token that you already have, such as one of a login just made. It goes before the store's. */
  token?: Token | undefined;
  /** Whether the grant can be asked for again. Default: `client_credentials` can, no other. */
  repeatable?: boolean | undefined;
  /** Keeps the token for the next run, and shares it with other processes. */
  store?: TokenStore | undefined;
  /**
   * The authorization server, as part of the store's key. Default: what its metadata say, if the client has them. Give it
   * where one key and client id are used at several servers.
   */
  issuer?: string | undefined;
}

export interface KeptToken {
  readonly token: Token;
  /** The refresh token in force. */
  readonly refreshToken: string | null;
  /** Milliseconds since 1970; `null` where the server did not say. */
  readonly expiresAt: number | null;
}

type Grant = Omit<TokenRequest, "dpopProver" | "signal">;

export class TokenRenewal {
  readonly #client: TokenClient;
  readonly #prover: DPoPProver;
  readonly #grant: Grant;
  readonly #repeatable: boolean;
  readonly #store: TokenStore | undefined;
  readonly #key: string;
  #first: Token | undefined;
  #refreshToken: string | null;
  #granted: boolean;

  constructor(options: TokenRenewalOptions) {
    const { client, prover, token, repeatable, store, issuer = client.metadata?.issuer, ...grant } = options;
    const refreshToken = grant.grantType === "refresh_token" ? grant.extra?.refresh_token : undefined;
    this.#client = client;
    this.#prover = prover;
    this.#grant = grant;
    this.#repeatable = repeatable ?? grant.grantType === "client_credentials";
    this.#store = store;
    this.#key = storeKey(prover, grant, issuer);
    this.#first = token;
    this.#refreshToken = typeof refreshToken === "string" ? refreshToken : null;
    this.#granted = grant.grantType === "refresh_token" || token !== undefined;
  }

  /** @param stale - the access token that is to be replaced */
  async next(stale: string | undefined): Promise<KeptToken> {
    const first = this.#first;
    this.#first = undefined;
    if (first) return this.#keep(first, Date.now());
    const stored = await this.#load();
    if (isFresh(stored, stale)) return stored;
    return (await this.#refresh(stale)) ?? this.#askAgain();
  }

  async #refresh(stale: string | undefined): Promise<KeptToken | undefined> {
    const used = this.#refreshToken;
    if (used === null) return undefined;
    const { resource } = this.#grant.extra ?? {};
    const extra = { refresh_token: used, resource };
    try {
      return await this.#ask({ ...this.#grant, grantType: "refresh_token", scope: null, extra });
    } catch (reason) {
      if (!isInvalidGrant(reason)) throw reason;
      return this.#afterRefusal(used, stale, reason);
    }
  }

  /** Another process may have used the refresh token first, and stored what it got for it. */
  async #afterRefusal(used: string, stale: string | undefined, reason: unknown): Promise<KeptToken | undefined> {
    const theirs = await this.#load();
    if (theirs && theirs.refreshToken !== used) return isFresh(theirs, stale) ? theirs : this.#refresh(stale);
    this.#refreshToken = null;
    await this.#change((store) => store.del(this.#key));
    if (!this.#repeatable) throw reason;
    return undefined;
  }

  async #askAgain(): Promise<KeptToken> {
    const { grantType } = this.#grant;
    if (this.#granted && !this.#repeatable) {
      const message = `The token is over, has no refresh token, and ${grantType} can't be repeated: ask for a new grant.`;
      throw new OAuthError("misconfigured", message, { error: "invalid_grant" });
    }
    const kept = await this.#ask(this.#grant);
    this.#granted = true;
    return kept;
  }

  async #ask(grant: Grant): Promise<KeptToken> {
    const since = Date.now();
    return this.#keep(await this.#client.getTokenWithDPoP({ ...grant, dpopProver: this.#prover }), since);
  }

  /** An answer without a new refresh token leaves the old one in force (RFC 6749 §6). */
  async #keep(token: Token, since: number): Promise<KeptToken> {
    this.#refreshToken = token.refreshToken ?? this.#refreshToken;
    const expiresAt = token.expiresIn === null ? null : since + token.expiresIn * 1000;
    const kept = { token, refreshToken: this.#refreshToken, expiresAt };
    await this.#change((store) => store.set(this.#key, { raw: token.raw, refreshToken: kept.refreshToken, expiresAt }));
    return kept;
  }

  async #load(): Promise<KeptToken | undefined> {
    const kept = keptToken(await this.#store?.get(this.#key), this.#prover.jkt);
    this.#refreshToken = kept?.refreshToken ?? this.#refreshToken;
    return kept;
  }

  /** A token that could not be stored is as good as any: it is used, and the operator is told. */
  async #change(change: (store: TokenStore) => Promise<void>): Promise<void> {
    try {
      if (this.#store) await change(this.#store);
    } catch (reason) {
      const why = reason instanceof Error ? reason.message : "no reason given";
      process.emitWarning(`The token store was not written: ${why}`, { code: "HARDPROOF_TOKEN_STORE" });
    }
  }
}

/** Readable, and without a secret: the same key, client and scope find their token again after a restart. */
function storeKey({ jkt }: DPoPProver, { clientId, scope, extra }: Grant, issuer: string | undefined): string {
  const key = new URLSearchParams({ jkt, client_id: clientId });
  const parts = { issuer, scope, resource: extra?.resource, audience: extra?.audience };
  for (const [name, values] of Object.entries(parts))
    for (const value of [values ?? []].flat()) key.append(name, String(value));
  return key.toString();
}

/** A token of another key is none. */
function keptToken(stored: StoredToken | undefined, jkt: string): KeptToken | undefined {
  const accessToken = stored?.raw.access_token;
  if (!stored || typeof accessToken !== "string") return undefined;
  if (boundKeys(stored.raw, accessToken).some((key) => key !== jkt)) return undefined;
  return { token: new Token(stored.raw, accessToken), refreshToken: stored.refreshToken, expiresAt: stored.expiresAt };
}

function isFresh(kept: KeptToken | undefined, stale: string | undefined): kept is KeptToken {
  return kept !== undefined && kept.token.accessToken !== stale && (kept.expiresAt ?? Infinity) > Date.now();
}

function isInvalidGrant(reason: unknown): boolean {
  return reason instanceof Error && "error" in reason && reason.error === "invalid_grant";
}
