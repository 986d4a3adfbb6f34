/** Tokens (RFC 6749 §5.1), and the key or certificate that they are bound to (RFC 9449 §6, RFC 8705 §3.1). */
import { inspect } from "node:util";
import { parseSeconds } from "../seconds.js";
import type { IdTokenClaims } from "../server-jwt/id-token.js";

/** A token response. `inspect` doesn't print its secrets, but `JSON.stringify` includes them. */
export class Token {
  /** The access token. */
  readonly accessToken: string;
  /**
   * The response's `token_type`. Default: `DPoP`, or `Bearer` if the token is bound only to a certificate. Some servers
   * return `bearer` for a token that is bound to a key: see `cnfJkt`.
   */
  readonly tokenType: string;
  /** Lifetime in seconds from the time of the response. `null` if the server doesn't report it. */
  readonly expiresIn: number | null;
  /** The granted scope. `null` if the server doesn't report it. */
  readonly scope: string | null;
  /** The refresh token. `null` if the server didn't issue one. */
  readonly refreshToken: string | null;
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
  /** The response's JSON object. */
  readonly raw: Readonly<Record<string, unknown>>;

  /**
   * @param raw - The response's JSON object.
   * @param accessToken - Its `access_token`.
   * @param refreshToken - The current refresh token. Default: that of the response.
   * @param idTokenClaims - The claims of the verified ID token.
   */
  constructor(
    raw: Readonly<Record<string, unknown>>,
    accessToken: string,
    refreshToken: string | null = stringOrNull(raw.refresh_token) || null,
    idTokenClaims: IdTokenClaims | null = null,
  ) {
    this.accessToken = accessToken;
    this.cnfJkt = boundKeys(raw, accessToken)[0] ?? null;
    this.cnfX5t = boundCertificates(raw, accessToken)[0] ?? null;
    const isBearer = this.cnfX5t !== null && this.cnfJkt === null;
    this.tokenType = stringOrNull(raw.token_type) ?? (isBearer ? "Bearer" : "DPoP");
    this.expiresIn = parseSeconds(raw.expires_in);
    this.scope = stringOrNull(raw.scope);
    this.refreshToken = refreshToken;
    this.idTokenClaims = idTokenClaims;
    this.raw = raw;
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    const { tokenType, expiresIn, scope, cnfJkt, cnfX5t, idTokenClaims } = this;
    const user = idTokenClaims && { sub: idTokenClaims.sub };
    return `Token ${inspect({ tokenType, expiresIn, scope, cnfJkt, cnfX5t, ...user })}`;
  }
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
  return [confirmation(name, raw), confirmation(name, payloadOf(accessToken))].filter((value) => value !== null);
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function confirmation(name: Confirmation, { cnf }: Readonly<Record<string, unknown>>): string | null {
  return typeof cnf === "object" && cnf !== null ? stringOrNull((cnf as Record<string, unknown>)[name]) : null;
}

/**
 * Decodes the payload of a JWT without verifying it, which is the resource server's task. Empty for an opaque token.
 */
function payloadOf(accessToken: string): Record<string, unknown> {
  const [, payload, signature, extraPart] = accessToken.split(".");
  if (payload === undefined || signature === undefined || extraPart !== undefined) return {};
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    return typeof claims === "object" ? { ...claims } : {};
  } catch {
    return {};
  }
}
