/**
 * What can go wrong, as an interface: three classes, each with a closed set of codes. Match on `code`, not on
 * `instanceof`: a plugin may carry its own copy of this package. No message, and no `inspect` output, holds a secret.
 */

/** What every error of this package is: a `code` to match on, and the `cause` stripped of what it could give away. */
export class HardproofError extends Error {
  override readonly name: string = "HardproofError";
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: withoutBaggage(options.cause) });
    this.code = code;
  }
}

/** Why a key could not be used. */
export type SignerErrorCode =
  | "key-not-found"
  | "ambiguous-key"
  | "wrong-key"
  | "access-denied"
  | "pin-required"
  | "pin-incorrect"
  | "pin-locked"
  | "unavailable"
  | "throttled"
  | "timeout"
  | "aborted"
  | "integrity"
  | "misconfigured";

/** What may pass by itself. */
const RETRYABLE: ReadonlySet<SignerErrorCode> = new Set(["unavailable", "throttled", "timeout"]);

/** A key that can't be opened, described or signed with. */
export class SignerError extends HardproofError {
  override readonly name = "SignerError" as const;
  declare readonly code: SignerErrorCode;
  /** Whether the same call may succeed later, with nothing changed by anybody. Follows from `code`. */
  readonly retryable: boolean;
  /** The key that it is about, without any PIN. */
  readonly uri: string | undefined;

  constructor(code: SignerErrorCode, message: string, options: { uri?: string | undefined; cause?: unknown } = {}) {
    super(code, message, options);
    this.retryable = RETRYABLE.has(code);
    this.uri = options.uri;
  }
}

/**
 * Why there is no proof, or no call with one. `invalid-…`: the argument that no proof can be made of. `forbidden-origin` and
 * `forbidden-header`: what the call must not go to or carry. `redirect`: it is not followed. `body-spent`: the call must be
 * made again by whoever has its body. `misconfigured`: an option.
 */
export type DPoPErrorCode =
  | "invalid-htm"
  | "invalid-htu"
  | "invalid-nonce"
  | "invalid-access-token"
  | "forbidden-origin"
  | "forbidden-header"
  | "redirect"
  | "body-spent"
  | "misconfigured";

/** A proof that can't be made (RFC 9449 §4.2), or a call that must not be (§7). */
export class DPoPError extends HardproofError {
  override readonly name = "DPoPError" as const;
  declare readonly code: DPoPErrorCode;

  constructor(code: DPoPErrorCode, message: string) {
    super(code, message);
  }
}

/**
 * Why there is no result: `refused` by the server's own word; `invalid-response`, `too-large` and `redirect` for answers
 * that are not what was asked for, and callbacks of another request; `binding` for a token that is bound to another key,
 * or to none where one was required; `unreachable`, `timeout` and `aborted` for no answer; `misconfigured` for arguments
 * refused before anything was sent.
 */
export type OAuthErrorCode =
  | "refused"
  | "invalid-response"
  | "too-large"
  | "redirect"
  | "binding"
  | "unreachable"
  | "timeout"
  | "aborted"
  | "misconfigured";

/** What an {@link OAuthError} is made of. */
export interface OAuthErrorOptions {
  error?: string;
  errorDescription?: string | null;
  response?: Response;
  cause?: unknown;
}

/** A token request that did not end with a usable token (RFC 6749 §5.2). */
export class OAuthError extends HardproofError {
  override readonly name = "OAuthError" as const;
  declare readonly code: OAuthErrorCode;
  /** The server's error code (`invalid_client`, …); `token_request_failed` where it named none. */
  readonly error: string;
  /** The server's own words, with the secrets that it repeats blotted out. */
  readonly errorDescription: string | null;
  /** The HTTP status, `null` where no answer came. */
  readonly statusCode: number | null;
  /** The answer, its body already read. Not enumerable, so that it is not logged by accident. */
  declare readonly response: Response | undefined;

  constructor(code: OAuthErrorCode, message: string, options: OAuthErrorOptions = {}) {
    super(code, message, options);
    this.error = options.error ?? "token_request_failed";
    this.errorDescription = options.errorDescription ?? null;
    this.statusCode = options.response?.status ?? null;
    Object.defineProperty(this, "response", { value: options.response, enumerable: false });
  }
}

/**
 * Why a stored token can't be had: `unreadable` for a file that is damaged, foreign or written with another key,
 * `unavailable` for a disk that says no, `misconfigured` for an option.
 */
export type TokenStoreErrorCode = "unreadable" | "unavailable" | "misconfigured";

/** A token store that can't be used. */
export class TokenStoreError extends HardproofError {
  override readonly name = "TokenStoreError" as const;
  declare readonly code: TokenStoreErrorCode;

  constructor(code: TokenStoreErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(code, message, options);
  }
}

/** SDK errors carry requests, and requests carry credentials, and `inspect` prints causes: keep what a reader needs. */
function withoutBaggage(cause: unknown): unknown {
  if (!(cause instanceof Error)) return typeof cause === "object" ? undefined : cause;
  if (cause instanceof HardproofError) return cause;
  const inner = cause.cause === undefined ? undefined : { cause: withoutBaggage(cause.cause) };
  const bare: Error & { code?: unknown } = new Error(cause.message, inner);
  Object.defineProperty(bare, "name", { value: cause.name, configurable: true });
  Object.defineProperty(bare, "stack", { value: cause.stack, configurable: true });
  if ("code" in cause && ["string", "number"].includes(typeof cause.code)) bare.code = cause.code;
  return bare;
}
