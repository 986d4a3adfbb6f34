/**
 * Gets the next token: from the store, by the refresh token (`OAuthClient.refresh`, RFC 6749 §6), or by repeating the
 * grant.
 */
import { OAuthError, SignerError } from "../errors.js";
import type { RefreshRequest } from "../oauth/grants/refresh.js";
import { bindingProblem, type ExpectedBinding, expectedBinding } from "../oauth/token/binding.js";
import { Token } from "../oauth/token/token.js";
import type { AnyGrant, CommonRequest, TokenBinding } from "../oauth/token/token-request.js";
import { type SourceBinding, sourceBinding, type TokenClient } from "./source-binding.js";
import { storeKey } from "./store-key.js";
import type { StoredToken, TokenStore } from "./token-store.js";

/** Options of {@link TokenRenewal}. */
export type TokenRenewalOptions = RenewalOptions & SourceBinding;

/** Options of {@link TokenRenewal}, except for the binding. */
export interface RenewalOptions extends AnyGrant, Omit<CommonRequest, "signal"> {
  /** Sends the token requests. */
  client: TokenClient;
  /** A token that the caller has just received, for example by a login. It takes precedence over the store. */
  token?: Token | undefined;
  /** Whether the grant can be requested again. Default: only `client_credentials`. */
  repeatable?: boolean | undefined;
  /** Persists the token across restarts, and shares it with other processes. */
  store?: TokenStore | undefined;
  /**
   * The user that the token belongs to, as part of the store's key. Required if several users log in with the same key
   * and client: nothing else distinguishes their tokens.
   */
  subject?: string | undefined;
}

/** A token and its expiry. */
export interface ExpiringToken {
  /** With the current refresh token. */
  readonly token: Token;
  /** Milliseconds since 1970. `null` if the server doesn't report a lifetime. */
  readonly expiresAt: number | null;
}

/** Errors that mean the client can't use the refresh token grant at all (RFC 6749 §5.2). */
const REFRESH_NOT_ALLOWED = ["unauthorized_client", "unsupported_grant_type", "invalid_request"];

type Grant = AnyGrant & Omit<CommonRequest, "signal">;

/** Renews one token, in the order: the caller's token, the store, the refresh token, the grant. */
export class TokenRenewal {
  readonly #client: TokenClient;
  readonly #binding: TokenBinding;
  readonly #grant: Grant;
  readonly #repeatable: boolean;
  readonly #store: TokenStore | undefined;
  readonly #storeKey: string;
  /** The caller's token, until its first use. Its lifetime counts from the creation of the source. */
  #initial: { token: Token; receivedAt: number } | undefined;
  #refreshToken: string | null;
  /** Of the latest ID token. */
  #idTokenClaims: Token["idTokenClaims"] = null;
  /** Whether the grant was sent, so that its code may be spent. */
  #isGrantUsed: boolean;

  /** @throws {OAuthError} With code `misconfigured` if the client can't request tokens with this binding. */
  constructor(options: TokenRenewalOptions) {
    const { client, prover, binding, token, repeatable, store, subject, ...grant } = options;
    const refreshToken = grant.grantType === "refresh_token" ? grant.extra?.refresh_token : undefined;
    this.#client = client;
    this.#binding = sourceBinding(options);
    this.#grant = grant;
    this.#repeatable = repeatable ?? grant.grantType === "client_credentials";
    this.#store = store;
    this.#storeKey = storeKey(options);
    this.#refreshToken = typeof refreshToken === "string" ? refreshToken : null;
    this.#initial = token && { token: withRefreshToken(token, this.#refreshToken), receivedAt: Date.now() };
    this.#isGrantUsed = grant.grantType === "refresh_token" || token !== undefined;
  }

  /**
   * Returns the next token.
   *
   * @param stale - The access token to replace.
   */
  async next(stale: string | undefined): Promise<ExpiringToken> {
    const initial = this.#initial;
    this.#initial = undefined;
    const saved = initial && (await this.#save(initial.token, initial.receivedAt));
    if (isFresh(saved, stale)) return saved;
    const stored = await this.#load();
    if (isFresh(stored, stale)) return stored;
    return (await this.#refresh(stale)) ?? this.#requestGrant();
  }

  /**
   * Refreshes the token, if there is a refresh token that the server accepts.
   *
   * @param retry - Whether to try a newer refresh token from the store after a rejected one.
   */
  async #refresh(stale: string | undefined, retry = true): Promise<ExpiringToken | undefined> {
    const refreshToken = this.#refreshToken;
    if (refreshToken === null) return undefined;
    try {
      return await this.#request(() => this.#client.refresh(this.#refreshRequest(refreshToken)));
    } catch (reason) {
      if (!this.#isRefreshRejected(reason)) throw reason;
      // Another process may have used this refresh token first, and stored the new one.
      const stored = await this.#load();
      if (isFresh(stored, stale)) return stored;
      if (retry && this.#refreshToken !== refreshToken) return this.#refresh(stale, false);
      this.#refreshToken = null;
      await this.#updateStore((store) => store.del(this.#storeKey));
      if (!this.#repeatable) throw reason;
      return undefined;
    }
  }

  /**
   * A refreshed token has the scope of its grant by default, so only `resource` is sent. If refreshing is itself the
   * grant, the caller may request a smaller scope (RFC 6749 §6).
   */
  #refreshRequest(refreshToken: string): RefreshRequest {
    const { extra: { resource, refresh_token, ...extra } = {}, ...grant } = this.#grant;
    const request = { ...grant, ...this.#binding, refreshToken, idTokenClaims: this.#idTokenClaims };
    if (grant.grantType === "refresh_token") return { ...request, extra: { ...extra, resource } };
    return { ...request, scope: null, extra: { resource } };
  }

  /** Returns true also for a client that isn't allowed to refresh, if the grant can be repeated instead. */
  #isRefreshRejected(reason: unknown): boolean {
    const error = reason instanceof Error && "error" in reason ? reason.error : undefined;
    return error === "invalid_grant" || (this.#repeatable && REFRESH_NOT_ALLOWED.includes(String(error)));
  }

  async #requestGrant(): Promise<ExpiringToken> {
    const { grantType } = this.#grant;
    if (this.#isGrantUsed && !this.#repeatable) {
      const message = `The token can't be renewed: there is no refresh token, and ${grantType} can't be repeated. Log in again.`;
      throw new OAuthError("misconfigured", message, { error: "invalid_grant" });
    }
    this.#isGrantUsed = true;
    try {
      return await this.#request(() => this.#getToken());
    } catch (reason) {
      // Once the grant was sent, its code may be spent, even if the server responded with an error or not at all.
      if (wasNotSent(reason)) this.#isGrantUsed = false;
      throw reason;
    }
  }

  #getToken(): Promise<Token> {
    const { dpopProver, binding } = this.#binding;
    if (dpopProver) return this.#client.getTokenWithDPoP({ ...this.#grant, dpopProver, binding });
    if (this.#client.getToken) return this.#client.getToken({ ...this.#grant, binding: "certificate" });
    throw new OAuthError("misconfigured", "A token source without a prover needs a client with the method getToken.");
  }

  async #request(getToken: () => Promise<Token>): Promise<ExpiringToken> {
    const sentAt = Date.now();
    return this.#save(await getToken(), sentAt);
  }

  /** @param issuedAt - The earliest time at which the token's lifetime may have begun. */
  async #save(token: Token, issuedAt: number): Promise<ExpiringToken> {
    const { raw, refreshToken, expiresIn, idTokenClaims } = token;
    const expiresAt = expiresIn === null ? null : issuedAt + expiresIn * 1000;
    this.#refreshToken = refreshToken;
    this.#idTokenClaims = idTokenClaims;
    const stored = { raw, refreshToken, expiresAt, ...(idTokenClaims && { idTokenClaims }) };
    await this.#updateStore((store) => store.set(this.#storeKey, stored));
    return { token, expiresAt };
  }

  async #load(): Promise<ExpiringToken | undefined> {
    const binding = { ...this.#binding, requireBinding: this.#grant.requireBinding };
    const stored = restoreToken(await this.#store?.get(this.#storeKey), expectedBinding(binding, this.#client));
    this.#refreshToken = stored?.token.refreshToken ?? this.#refreshToken;
    this.#idTokenClaims = stored?.token.idTokenClaims ?? this.#idTokenClaims;
    return stored;
  }

  /** Emits a warning if the store fails, since the token in memory is still valid. */
  async #updateStore(update: (store: TokenStore) => Promise<void>): Promise<void> {
    try {
      if (this.#store) await update(this.#store);
    } catch (reason) {
      const why = reason instanceof Error ? reason.message : "unknown reason";
      const message = `The token store was not updated, so only this process has the current token: ${why}`;
      process.emitWarning(message, { code: "HARDPROOF_TOKEN_STORE" });
    }
  }
}

/** Ignores a stored token that is bound to a different key or certificate, or isn't bound although that is required. */
function restoreToken(stored: StoredToken | undefined, expected: ExpectedBinding): ExpiringToken | undefined {
  const accessToken = stored?.raw.access_token;
  if (!stored || typeof accessToken !== "string") return undefined;
  const token = new Token(stored.raw, accessToken, stored.refreshToken, stored.idTokenClaims);
  return bindingProblem(token, expected) === undefined ? { token, expiresAt: stored.expiresAt } : undefined;
}

function isFresh(next: ExpiringToken | undefined, stale: string | undefined): next is ExpiringToken {
  return next !== undefined && next.token.accessToken !== stale && (next.expiresAt ?? Infinity) > Date.now();
}

/** Nothing was sent if the key couldn't sign the proof, or the request was invalid. */
function wasNotSent(reason: unknown): boolean {
  return reason instanceof SignerError || (reason instanceof OAuthError && reason.code === "misconfigured");
}

function withRefreshToken(token: Token, refreshToken: string | null): Token {
  const { raw, accessToken, idTokenClaims } = token;
  return token.refreshToken === null ? new Token(raw, accessToken, refreshToken, idTokenClaims) : token;
}
