/** The token endpoint's answer (RFC 6749 §5.1), and the key that the token is bound to (RFC 9449 §6). */
import { inspect } from "node:util";

/** An access token and what the server said with it. Prints without its secrets; `JSON.stringify` gives all of it. */
export class Token {
  readonly accessToken: string;
  /** The server's own word, `DPoP` where it gave none. A bound token may come as `bearer`: see `cnfJkt`. */
  readonly tokenType: string;
  /** Seconds, from the time of the answer. */
  readonly expiresIn: number | null;
  readonly scope: string | null;
  readonly refreshToken: string | null;
  /** Thumbprint of the key that the token is bound to: the answer's `cnf.jkt`, else the one in a JWT access token. */
  readonly cnfJkt: string | null;
  /** The whole answer. */
  readonly raw: Readonly<Record<string, unknown>>;

  /**
   * @param raw - the answer's JSON
   * @param accessToken - its `access_token`
   * @param refreshToken - its `refresh_token`, or an earlier one that is still good
   */
  constructor(
    raw: Readonly<Record<string, unknown>>,
    accessToken: string,
    refreshToken: string | null = text(raw.refresh_token) || null,
  ) {
    this.accessToken = accessToken;
    this.tokenType = text(raw.token_type) ?? "DPoP";
    this.expiresIn = seconds(raw.expires_in);
    this.scope = text(raw.scope);
    this.refreshToken = refreshToken;
    this.cnfJkt = boundKeys(raw, accessToken)[0] ?? null;
    this.raw = raw;
  }

  [inspect.custom](): string {
    const { tokenType, expiresIn, scope, cnfJkt } = this;
    return `Token ${inspect({ tokenType, expiresIn, scope, cnfJkt })}`;
  }
}

/** Every thumbprint that the answer names, its own `cnf.jkt` before that of a JWT access token. */
export function boundKeys(raw: Readonly<Record<string, unknown>>, accessToken: string): string[] {
  return [jktOf(raw), jktOf(payloadOf(accessToken))].filter((jkt) => jkt !== null);
}

/** Whether the server said that it is bound to a key. A token type that was left out says nothing. */
export function isBound({ cnfJkt, raw }: Token): boolean {
  return cnfJkt !== null || text(raw.token_type)?.toLowerCase() === "dpop";
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** Some servers send the number as a string. */
function seconds(value: unknown): number | null {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) && number >= 0 ? number : null;
}

function jktOf(claims: Readonly<Record<string, unknown>>): string | null {
  const { cnf } = claims;
  return typeof cnf === "object" && cnf !== null && "jkt" in cnf ? text(cnf.jkt) : null;
}

/** Read, not verified: verifying is the resource server's part. An opaque token has none. */
function payloadOf(accessToken: string): Record<string, unknown> {
  const [, payload, signature, more] = accessToken.split(".");
  if (payload === undefined || signature === undefined || more !== undefined) return {};
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
    return typeof claims === "object" ? { ...claims } : {};
  } catch {
    return {};
  }
}
