/** Tokens (RFC 6749 §5.1), and the key that they are bound to (RFC 9449 §6). */
import { inspect } from "node:util";
import { parseSeconds } from "../seconds.js";

/** A token response. `inspect` doesn't print its secrets, but `JSON.stringify` includes them. */
export class Token {
  /** The access token. */
  readonly accessToken: string;
  /** The response's `token_type`. Default: `DPoP`. Some servers return `bearer` for a bound token: see `cnfJkt`. */
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
  /** The response's JSON object. */
  readonly raw: Readonly<Record<string, unknown>>;

  /**
   * @param raw - The response's JSON object.
   * @param accessToken - Its `access_token`.
   * @param refreshToken - The current refresh token. Default: that of the response.
   */
  constructor(
    raw: Readonly<Record<string, unknown>>,
    accessToken: string,
    refreshToken: string | null = stringOrNull(raw.refresh_token) || null,
  ) {
    this.accessToken = accessToken;
    this.tokenType = stringOrNull(raw.token_type) ?? "DPoP";
    this.expiresIn = parseSeconds(raw.expires_in);
    this.scope = stringOrNull(raw.scope);
    this.refreshToken = refreshToken;
    this.cnfJkt = boundKeys(raw, accessToken)[0] ?? null;
    this.raw = raw;
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    const { tokenType, expiresIn, scope, cnfJkt } = this;
    return `Token ${inspect({ tokenType, expiresIn, scope, cnfJkt })}`;
  }
}

/** Returns all thumbprints in a token response: its `cnf.jkt` first, then that of a JWT access token. */
export function boundKeys(raw: Readonly<Record<string, unknown>>, accessToken: string): string[] {
  return [jktOf(raw), jktOf(payloadOf(accessToken))].filter((jkt) => jkt !== null);
}

/** Whether the response states that the token is bound to a key. A missing token type isn't such a statement. */
export function isBound({ cnfJkt, raw }: Token): boolean {
  return cnfJkt !== null || stringOrNull(raw.token_type)?.toLowerCase() === "dpop";
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function jktOf(claims: Readonly<Record<string, unknown>>): string | null {
  const { cnf } = claims;
  return typeof cnf === "object" && cnf !== null && "jkt" in cnf ? stringOrNull(cnf.jkt) : null;
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
