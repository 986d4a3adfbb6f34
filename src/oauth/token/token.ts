/** Tokens (RFC 6749 §5.1), and the key or certificate that they are bound to (RFC 9449 §6, RFC 8705 §3.1). */
import { inspect } from "node:util";
import { parseSeconds } from "../seconds.js";
import type { IdTokenClaims } from "../server-jwt/id-token.js";
import { accessTokenClaims, expiryOf } from "./access-token-claims.js";
import { type Actor, delegationChain } from "./delegation.js";

/** What a token has besides its response. */
export interface TokenState {
  /** The current refresh token. Default: that of the response. */
  readonly refreshToken?: string | null | undefined;
  /** The claims of the verified ID token. Default: `null`. */
  readonly idTokenClaims?: IdTokenClaims | null | undefined;
  /** When the token expires. Default: as if the response had been received now. */
  readonly expiresAt?: number | null | undefined;
}

/**
 * A token response. Its secrets are getters: `inspect`, `JSON.stringify` and a spread object don't contain them. To store
 * a token, use `raw`, or a token store.
 */
export class Token {
  /**
   * The response's `token_type`. Default: `DPoP`, or `Bearer` if the token is bound only to a certificate. Some servers
   * return `bearer` for a token that is bound to a key: see `cnfJkt`.
   */
  readonly tokenType: string;
  /** Lifetime in seconds from the time of the response. `null` if the server doesn't report it. */
  readonly expiresIn: number | null;
  /**
   * When the token expires, in milliseconds since 1970: by `expires_in`, otherwise by the `exp` of a JWT access token.
   * `null` if neither is known.
   */
  readonly expiresAt: number | null;
  /** The granted scope. `null` if the server doesn't report it. */
  readonly scope: string | null;
  /**
   * Thumbprint of the key that the token is bound to: `cnf.jkt` of the response, otherwise that of a JWT access token,
   * whose signature isn't verified. `null` if neither contains one.
   */
  readonly cnfJkt: string | null;
  /** The same for the certificate that the token is bound to: `cnf["x5t#S256"]` (RFC 8705 §3.1). */
  readonly cnfX5t: string | null;
  /**
   * The claims of the ID token, which was verified (OpenID Connect Core §3.1.3.7). `null` if there isn't one, or it
   * wasn't verified.
   */
  readonly idTokenClaims: IdTokenClaims | null;
  readonly #accessToken: string;
  readonly #refreshToken: string | null;
  readonly #raw: Readonly<Record<string, unknown>>;

  /**
   * @param raw - The response's JSON object.
   * @param accessToken - Its `access_token`.
   */
  constructor(raw: Readonly<Record<string, unknown>>, accessToken: string, state: TokenState = {}) {
    const { refreshToken = stringOrNull(raw.refresh_token) || null, idTokenClaims = null } = state;
    const { expiresAt = expiryOf(raw, accessToken, { issuedAt: Date.now() }) } = state;
    this.#accessToken = accessToken;
    this.#refreshToken = refreshToken;
    this.#raw = raw;
    this.cnfJkt = boundKeys(raw, accessToken)[0] ?? null;
    this.cnfX5t = boundCertificates(raw, accessToken)[0] ?? null;
    const isBearer = this.cnfX5t !== null && this.cnfJkt === null;
    this.tokenType = stringOrNull(raw.token_type) ?? (isBearer ? "Bearer" : "DPoP");
    this.expiresIn = parseSeconds(raw.expires_in);
    this.expiresAt = expiresAt;
    this.scope = stringOrNull(raw.scope);
    this.idTokenClaims = idTokenClaims;
  }

  /** The access token. */
  get accessToken(): string {
    return this.#accessToken;
  }

  /** The refresh token. `null` if the server didn't issue one. */
  get refreshToken(): string | null {
    return this.#refreshToken;
  }

  /** The response's JSON object. */
  get raw(): Readonly<Record<string, unknown>> {
    return this.#raw;
  }

  /**
   * Who acts on behalf of the token's subject, according to a JWT access token, whose signature isn't verified: the
   * current actor first (RFC 8693 §4.1). Empty if nobody does, or the token is opaque.
   */
  get actors(): readonly Actor[] {
    return delegationChain(accessTokenClaims(this.#accessToken));
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    const { tokenType, expiresIn, scope, cnfJkt, cnfX5t, idTokenClaims } = this;
    const user = idTokenClaims && { sub: idTokenClaims.sub };
    return `Token ${inspect({ tokenType, expiresIn, scope, cnfJkt, cnfX5t, ...user })}`;
  }
}

/** Returns a copy of a token with another state. */
export function withState(token: Token, state: TokenState): Token {
  const { raw, accessToken, refreshToken, idTokenClaims, expiresAt } = token;
  return new Token(raw, accessToken, { refreshToken, idTokenClaims, expiresAt, ...state });
}

/** Returns all thumbprints of keys in a token response: its `cnf.jkt` first, then that of a JWT access token. */
export function boundKeys(raw: Readonly<Record<string, unknown>>, accessToken: string): string[] {
  return confirmations("jkt", raw, accessToken);
}

/** The same for certificates: `cnf["x5t#S256"]`. */
export function boundCertificates(raw: Readonly<Record<string, unknown>>, accessToken: string): string[] {
  return confirmations("x5t#S256", raw, accessToken);
}

/** Whether the response states that the token is bound to a key. A missing token type isn't such a statement. */
export function isBound({ cnfJkt, raw }: Token): boolean {
  return cnfJkt !== null || stringOrNull(raw.token_type)?.toLowerCase() === "dpop";
}

/** The names of `cnf` members: a key's thumbprint (RFC 9449 §6.1), and a certificate's (RFC 8705 §3.1). */
type Confirmation = "jkt" | "x5t#S256";

function confirmations(name: Confirmation, raw: Readonly<Record<string, unknown>>, accessToken: string): string[] {
  return [confirmation(name, raw), confirmation(name, accessTokenClaims(accessToken))].filter(
    (value) => value !== null,
  );
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function confirmation(name: Confirmation, { cnf }: Readonly<Record<string, unknown>>): string | null {
  return typeof cnf === "object" && cnf !== null ? stringOrNull((cnf as Record<string, unknown>)[name]) : null;
}
