/**
 * Gets the next token: from the store, by the refresh token (`OAuthClient.refresh`, RFC 6749 §6), or by repeating the
 * grant.
 */
import { setTimeout } from "node:timers/promises";
import { OAuthError, SignerError } from "../errors.js";
import type { RefreshRequest } from "../oauth/grants/refresh.js";
import { bindingProblem, expectedBinding } from "../oauth/token/binding.js";
import { type Token, type TokenState, withState } from "../oauth/token/token.js";
import type { AnyGrant, CommonRequest, TokenBinding } from "../oauth/token/token-request.js";
import { type SourceBinding, sourceBinding, type TokenClient } from "./source-binding.js";
import { storeKey } from "./store-key.js";
import { TokenSlot } from "./token-slot.js";
import type { TokenStore } from "./token-store.js";

/** Options of {@link TokenRenewal}. */
export type TokenRenewalOptions = RenewalOptions & SourceBinding & RotatedOptions;

/** Options after the key was rotated. */
interface RotatedOptions {
  /** Whether another process with the same key may have replaced `token` already. A stored token that expires later is then used. */
  isShared?: boolean | undefined;
}

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

/** Errors that mean the client can't use the refresh token grant at all (RFC 6749 §5.2). */
const REFRESH_NOT_ALLOWED = ["unauthorized_client", "unsupported_grant_type", "invalid_request"];

/** Milliseconds after which the store is read a second time. */
const SECOND_LOOK = 250;

type Grant = AnyGrant & Omit<CommonRequest, "signal">;

/** Renews one token, in the order: the caller's token, the store, the refresh token, the grant. */
export class TokenRenewal {
  readonly #client: TokenClient;
  readonly #binding: TokenBinding;
  readonly #grant: Grant;
  readonly #repeatable: boolean;
  readonly #slot: TokenSlot;
  /** The caller's token, until it was used or replaced. */
  #initial: Token | undefined;
  readonly #isInitialShared: boolean;
  #refreshToken: string | null;
  /** Of the latest ID token. */
  #idTokenClaims: Token["idTokenClaims"] = null;
  /** Whether the grant was sent, so that its code may be spent. */
  #isGrantUsed: boolean;

  /** @throws {OAuthError} With code `misconfigured` if the client can't request tokens with this binding. */
  constructor(options: TokenRenewalOptions) {
    const { client, prover, binding, token, repeatable, store, subject, isShared = false, ...grant } = options;
    const refreshToken = grant.grantType === "refresh_token" ? grant.extra?.refresh_token : undefined;
    this.#client = client;
    this.#binding = sourceBinding(options);
    this.#grant = grant;
    this.#repeatable = repeatable ?? grant.grantType === "client_credentials";
    this.#slot = new TokenSlot(store, storeKey(options));
    this.#refreshToken = typeof refreshToken === "string" ? refreshToken : null;
    this.#initial = token && withState(token, { refreshToken: token.refreshToken ?? this.#refreshToken });
    this.#isInitialShared = isShared;
    this.#isGrantUsed = grant.grantType === "refresh_token" || token !== undefined;
  }

  /** The current refresh token, and the claims of the latest ID token. `expiresAt` is that of a caller's token. */
  get refreshState(): TokenState {
    const refreshToken = this.#initial?.refreshToken ?? this.#refreshToken;
    return { refreshToken, idTokenClaims: this.#idTokenClaims, expiresAt: this.#initial?.expiresAt };
  }

  /**
   * Returns the next token.
   *
   * @param stale - The access token to replace.
   */
  async next(stale: string | undefined): Promise<Token> {
    return this.#slot.exclusively(async () => {
      if (this.#initial && this.#isInitialShared) await this.#discardOutdated(this.#initial);
      const initial = this.#initial && (await this.#useInitial(this.#initial, stale));
      if (initial) return initial;
      const stored = await this.#load();
      if (isFresh(stored, stale)) return stored;
      return (await this.#refresh(stale)) ?? this.#requestGrant();
    });
  }

  /** Discards the caller's token if another process has replaced it, and its refresh token may be spent. */
  async #discardOutdated(initial: Token): Promise<void> {
    const stored = await this.#load().catch(() => undefined); // the caller's token replaces one that can't be read
    if ((stored?.expiresAt ?? 0) > (initial.expiresAt ?? Number.POSITIVE_INFINITY)) this.#initial = undefined;
  }

  /** Of a token that is bound to another key, such as that of a host before, only the refresh token can be used. */
  async #useInitial(initial: Token, stale: string | undefined): Promise<Token | undefined> {
    const isUsable = this.#isUsable(initial);
    const saved = isUsable ? await this.#save(initial) : undefined;
    if (isUsable) this.#initial = undefined;
    if (isFresh(saved, stale)) return saved;
    this.#refreshToken = initial.refreshToken;
    this.#idTokenClaims = initial.idTokenClaims;
    const refreshed = isUsable ? undefined : await this.#refresh(stale);
    this.#initial = undefined;
    return refreshed;
  }

  /**
   * Refreshes the token, if there is a refresh token that the server accepts.
   *
   * @param retry - Whether to try a newer refresh token from the store after a refused one.
   */
  async #refresh(stale: string | undefined, retry = true): Promise<Token | undefined> {
    const refreshToken = this.#refreshToken;
    if (refreshToken === null) return undefined;
    try {
      return await this.#request(() => this.#client.refresh(this.#refreshRequest(refreshToken)));
    } catch (reason) {
      if (errorOf(reason) === undefined) throw reason;
      const newer = await this.#loadNewer(refreshToken, stale);
      if (newer) return newer;
      if (retry && this.#refreshToken !== refreshToken) return this.#refresh(stale, false);
      if (!this.#isRefreshRejected(reason)) throw reason;
      this.#refreshToken = null;
      this.#initial = undefined;
      await this.#slot.deleteWith(refreshToken);
      if (!this.#repeatable) throw reason;
      return undefined;
    }
  }

  /**
   * Returns the token of another process that used this refresh token first. Servers refuse the second use by
   * `invalid_grant` or any other error. The other process may be about to store the token, so this looks twice.
   */
  async #loadNewer(refreshToken: string, stale: string | undefined): Promise<Token | undefined> {
    for (const pause of this.#slot.isShared ? [0, SECOND_LOOK] : [0]) {
      await setTimeout(pause);
      const stored = await this.#load();
      if (isFresh(stored, stale)) return stored;
      if (this.#refreshToken !== refreshToken) return undefined;
    }
    return undefined;
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
    const error = errorOf(reason);
    return error === "invalid_grant" || (this.#repeatable && REFRESH_NOT_ALLOWED.includes(String(error)));
  }

  async #requestGrant(): Promise<Token> {
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

  async #request(getToken: () => Promise<Token>): Promise<Token> {
    return this.#save(await getToken());
  }

  async #save(token: Token): Promise<Token> {
    this.#refreshToken = token.refreshToken;
    this.#idTokenClaims = token.idTokenClaims;
    await this.#slot.save(token);
    return token;
  }

  /** Ignores a stored token that is bound to a different key or certificate, or isn't bound although that is required. */
  async #load(): Promise<Token | undefined> {
    const stored = await this.#slot.load();
    if (!stored || !this.#isUsable(stored)) return undefined;
    this.#refreshToken = stored.refreshToken ?? this.#refreshToken;
    this.#idTokenClaims = stored.idTokenClaims ?? this.#idTokenClaims;
    return stored;
  }

  #isUsable(token: Token): boolean {
    const binding = { ...this.#binding, requireBinding: this.#grant.requireBinding };
    return bindingProblem(token, expectedBinding(binding, this.#client)) === undefined;
  }
}

function isFresh(next: Token | undefined, stale: string | undefined): next is Token {
  return next !== undefined && next.accessToken !== stale && (next.expiresAt ?? Infinity) > Date.now();
}

/** Returns the error code of the server's response. `undefined` if the request failed otherwise. */
function errorOf(reason: unknown): unknown {
  if (!(reason instanceof Error) || !("error" in reason)) return undefined;
  const wasRefused = !("code" in reason) || reason.code === "refused" || reason.error === "invalid_grant";
  return wasRefused ? reason.error : undefined;
}

/** Nothing was sent if the key couldn't sign the proof, or the request was invalid. */
function wasNotSent(reason: unknown): boolean {
  return reason instanceof SignerError || (reason instanceof OAuthError && reason.code === "misconfigured");
}
