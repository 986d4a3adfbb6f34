/** How a token is followed by the next one: from the store, by its refresh token, or by the grant again (RFC 6749 §6). */
import { hash } from "node:crypto";
import type { DPoPProver } from "../dpop/prover.js";
import { OAuthError, SignerError } from "../errors.js";
import type { OAuthClient, RefreshRequest } from "../oauth/oauth-client.js";
import { boundKeys, isBound, Token } from "../oauth/token/token.js";
import type { TokenRequest } from "../oauth/token/token-request.js";
import type { Binding } from "../oauth/token/token-response.js";
import type { StoredToken, TokenStore } from "./token-store.js";

/** What is needed of an `OAuthClient`. */
export type TokenClient = Pick<OAuthClient, "getTokenWithDPoP" | "refresh" | "issuer"> &
  Partial<Pick<OAuthClient, "requireBinding">>;

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
   * Whose token it is, as part of the store's key. Needed where one key and client log in for several people: nothing else
   * tells their tokens apart.
   */
  subject?: string | undefined;
}

export interface KeptToken {
  /** With the refresh token in force. */
  readonly token: Token;
  /** Milliseconds since 1970; `null` where the server did not say. */
  readonly expiresAt: number | null;
}

/** Refusals of the refresh grant as such (RFC 6749 §5.2). */
const NO_REFRESH = ["unauthorized_client", "unsupported_grant_type", "invalid_request"];

type Grant = Omit<TokenRequest, "dpopProver" | "signal">;

export class TokenRenewal {
  readonly #client: TokenClient;
  readonly #prover: DPoPProver;
  readonly #grant: Grant;
  readonly #repeatable: boolean;
  readonly #store: TokenStore | undefined;
  /** The store's. */
  readonly #key: string;
  /** The token that was handed over, and when. */
  #first: { token: Token; since: number } | undefined;
  #refreshToken: string | null;
  #granted: boolean;

  constructor(options: TokenRenewalOptions) {
    const { client, prover, token, repeatable, store, subject, ...grant } = options;
    const refreshToken = grant.grantType === "refresh_token" ? grant.extra?.refresh_token : undefined;
    this.#client = client;
    this.#prover = prover;
    this.#grant = grant;
    this.#repeatable = repeatable ?? grant.grantType === "client_credentials";
    this.#store = store;
    this.#key = storeKey(options);
    this.#refreshToken = typeof refreshToken === "string" ? refreshToken : null;
    this.#first = token && { token: withRefreshToken(token, this.#refreshToken), since: Date.now() };
    this.#granted = grant.grantType === "refresh_token" || token !== undefined;
  }

  /** @param stale - the access token that is to be replaced */
  async next(stale: string | undefined): Promise<KeptToken> {
    const first = this.#first;
    this.#first = undefined;
    const given = first && (await this.#keep(first.token, first.since));
    if (isFresh(given, stale)) return given;
    const stored = await this.#load();
    if (isFresh(stored, stale)) return stored;
    return (await this.#refresh(stale)) ?? this.#askAgain();
  }

  /** @param again - whether another process's refresh token is tried where ours is refused */
  async #refresh(stale: string | undefined, again = true): Promise<KeptToken | undefined> {
    const used = this.#refreshToken;
    if (used === null) return undefined;
    try {
      return await this.#got(() => this.#client.refresh(this.#refreshRequest(used)));
    } catch (reason) {
      if (!this.#isRefused(reason)) throw reason;
      // It may have used ours first, and stored what it got for it.
      const theirs = await this.#load();
      if (isFresh(theirs, stale)) return theirs;
      if (again && this.#refreshToken !== used) return this.#refresh(stale, false);
      this.#refreshToken = null;
      await this.#change((store) => store.del(this.#key));
      if (!this.#repeatable) throw reason;
      return undefined;
    }
  }

  /** What a grant was asked for, its token has; a refresh that is itself the grant may ask for less (RFC 6749 §6). */
  #refreshRequest(refreshToken: string): RefreshRequest {
    const { extra: { resource, refresh_token, ...extra } = {}, ...grant } = this.#grant;
    const request = { ...grant, dpopProver: this.#prover, refreshToken };
    if (grant.grantType === "refresh_token") return { ...request, extra: { ...extra, resource } };
    return { ...request, scope: null, extra: { resource } };
  }

  /** A grant that can be repeated is, too, where the client may not refresh at all. */
  #isRefused(reason: unknown): boolean {
    const error = reason instanceof Error && "error" in reason ? reason.error : undefined;
    return error === "invalid_grant" || (this.#repeatable && NO_REFRESH.includes(String(error)));
  }

  async #askAgain(): Promise<KeptToken> {
    const { grantType } = this.#grant;
    if (this.#granted && !this.#repeatable) {
      const message = `There is no token any more, and ${grantType} can't be repeated: ask for a new grant.`;
      throw new OAuthError("misconfigured", message, { error: "invalid_grant" });
    }
    this.#granted = true;
    try {
      const request = { ...this.#grant, dpopProver: this.#prover };
      return await this.#got(() => this.#client.getTokenWithDPoP(request));
    } catch (reason) {
      // What was sent may be spent, whatever the answer, or its loss, says.
      if (wasNotSent(reason)) this.#granted = false;
      throw reason;
    }
  }

  async #got(ask: () => Promise<Token>): Promise<KeptToken> {
    const since = Date.now();
    return this.#keep(await ask(), since);
  }

  async #keep(token: Token, since: number): Promise<KeptToken> {
    const { raw, refreshToken, expiresIn } = token;
    const expiresAt = expiresIn === null ? null : since + expiresIn * 1000;
    this.#refreshToken = refreshToken;
    await this.#change((store) => store.set(this.#key, { raw, refreshToken, expiresAt }));
    return { token, expiresAt };
  }

  async #load(): Promise<KeptToken | undefined> {
    const required = this.#grant.requireBinding ?? this.#client.requireBinding ?? false;
    const kept = keptToken(await this.#store?.get(this.#key), { jkt: this.#prover.jkt, required });
    this.#refreshToken = kept?.token.refreshToken ?? this.#refreshToken;
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

/**
 * The same question finds its token again after a restart, and no other does: a code or subject token is another person's.
 * What may be secret is in it as a hash; a password, which could be guessed from that, is not.
 */
function storeKey({ client, prover, grantType, clientId, scope, subject, extra = {} }: TokenRenewalOptions): string {
  const { resource, audience, password, ...asked } = extra;
  const given = Object.entries(asked).filter(([, value]) => value != null);
  const question = given.length === 0 ? undefined : hash("sha256", JSON.stringify(given.sort()), "base64url");
  const parts = { issuer: client.issuer, grant_type: grantType, scope, subject, resource, audience, question };
  const key = new URLSearchParams({ jkt: prover.jkt, client_id: clientId });
  for (const [name, values] of Object.entries(parts))
    for (const value of [values ?? []].flat()) key.append(name, String(value));
  return key.toString();
}

/** A token of another key is none, nor one of no key where it must have one. */
function keptToken(stored: StoredToken | undefined, { jkt, required }: Binding): KeptToken | undefined {
  const accessToken = stored?.raw.access_token;
  if (!stored || typeof accessToken !== "string") return undefined;
  if (boundKeys(stored.raw, accessToken).some((key) => key !== jkt)) return undefined;
  const token = new Token(stored.raw, accessToken, stored.refreshToken);
  return required && !isBound(token) ? undefined : { token, expiresAt: stored.expiresAt };
}

function isFresh(kept: KeptToken | undefined, stale: string | undefined): kept is KeptToken {
  return kept !== undefined && kept.token.accessToken !== stale && (kept.expiresAt ?? Infinity) > Date.now();
}

/** Nothing goes out with a key that does not sign, or a request that can't be right. */
function wasNotSent(reason: unknown): boolean {
  return reason instanceof SignerError || (reason instanceof OAuthError && reason.code === "misconfigured");
}

function withRefreshToken(token: Token, refreshToken: string | null): Token {
  return token.refreshToken === null ? new Token(token.raw, token.accessToken, refreshToken) : token;
}
