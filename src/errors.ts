/**
 * The errors of this package: `HardproofError` and its four subclasses, each with a closed set of codes.
 *
 * Check `code` and `name` rather than `instanceof`, because a plugin may bring its own copy of this package. No
 * message, and no output of `util.inspect`, contains a PIN, a client secret, a token or a private key.
 */

/** The base class of all errors of this package. */
export class HardproofError extends Error {
  /** The name of the class. */
  override readonly name: string = "HardproofError";
  /** Identifies the kind of failure. It is stable across releases, unlike the message. */
  readonly code: string;

  /** @param options - `cause` is copied without the properties that could contain credentials. */
  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: sanitizeCause(options.cause) });
    this.code = code;
  }
}

/**
 * Why a key could not be opened, described or used.
 *
 * - `key-not-found`: The store doesn't contain the key.
 * - `ambiguous-key`: More than one key or token matches.
 * - `wrong-key`: The key can't sign with the algorithm, or doesn't meet a requirement of the application.
 * - `access-denied`: The store, its policy or the file system rejected the operation.
 * - `pin-required`: A PIN, passphrase or token is missing or can't be read.
 * - `pin-incorrect`: The store rejected the PIN or passphrase.
 * - `pin-locked`: The PIN is locked or has expired.
 * - `unavailable`: The store can't be reached, or it failed.
 * - `throttled`: A rate limit, quota or session limit of the store is reached, or more signatures wait for the key than it
 *   can make within `timeout`.
 * - `timeout`: The store didn't respond within `timeout`, or a proof was too old when it did, twice.
 * - `aborted`: The caller's signal aborted, or the operation was cancelled at the token.
 * - `integrity`: The store's response failed validation, so no signature was returned.
 * - `misconfigured`: An option, a URI or the installation must be corrected.
 * - `unexpected`: The store failed with an error that its provider doesn't recognise. The message repeats its first line.
 */
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
  | "misconfigured"
  | "unexpected";

const RETRYABLE: ReadonlySet<SignerErrorCode> = new Set(["unavailable", "throttled", "timeout"]);

/** Thrown when a key can't be opened, described or used. */
export class SignerError extends HardproofError {
  /** The name of the class. */
  override readonly name = "SignerError" as const;
  /** Identifies the kind of failure. */
  declare readonly code: SignerErrorCode;
  /** Whether the same call may succeed later without any change: `unavailable`, `throttled` and `timeout`. */
  readonly retryable: boolean;
  /** The URI of the key or the store, without a PIN. */
  readonly uri: string | undefined;

  constructor(code: SignerErrorCode, message: string, options: { uri?: string | undefined; cause?: unknown } = {}) {
    super(code, message, options);
    this.retryable = RETRYABLE.has(code);
    this.uri = options.uri;
  }
}

/**
 * Why a proof could not be made, or a request could not be sent with one.
 *
 * - `invalid-htm`, `invalid-htu`, `invalid-nonce`, `invalid-access-token`: The argument can't be part of a proof.
 * - `forbidden-origin`: The token or the proof must not be sent to this URL.
 * - `forbidden-header`: The request already has a header that `dpopFetch` or `proofFetch` sets.
 * - `redirect`: The redirect can't be followed with a token or a client assertion.
 * - `body-spent`: The request must be repeated, but its body was a stream that has been read. Repeat the call.
 * - `misconfigured`: An option is invalid.
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

/** Thrown when a proof can't be made (RFC 9449 §4.2), or a protected resource can't be requested (§7). */
export class DPoPError extends HardproofError {
  /** The name of the class. */
  override readonly name = "DPoPError" as const;
  /** Identifies the kind of failure. */
  declare readonly code: DPoPErrorCode;

  constructor(code: DPoPErrorCode, message: string) {
    super(code, message);
  }
}

/**
 * Why a request to the authorization server failed.
 *
 * - `refused`: The server responded with an OAuth error; see `error` and `errorDescription`.
 * - `invalid-response`: The response or the callback doesn't match the request, or isn't valid.
 * - `too-large`: The response exceeds 1 MiB.
 * - `redirect`: The server responded with a redirect, which is never followed.
 * - `binding`: The token is bound to another key or certificate, or the response doesn't confirm its binding although
 *   `requireBinding` is set.
 * - `unreachable`: The server didn't send a complete response.
 * - `timeout`: The server didn't respond in time, or the user didn't enter the device code in time.
 * - `aborted`: The caller's signal aborted.
 * - `misconfigured`: An option or argument is invalid. Nothing was sent.
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

/** Options of the {@link OAuthError} constructor. */
export interface OAuthErrorOptions {
  /** The server's error code. Default: `token_request_failed`. */
  error?: string;
  /** The server's description, with secrets redacted. */
  errorDescription?: string | null;
  /** The server's response. */
  response?: Response;
  /** The error that caused this one. */
  cause?: unknown;
}

/** Thrown when a request to the authorization server doesn't return a usable result (RFC 6749 §5.2). */
export class OAuthError extends HardproofError {
  /** The name of the class. */
  override readonly name = "OAuthError" as const;
  /** Identifies the kind of failure. */
  declare readonly code: OAuthErrorCode;
  /** The server's error code, such as `invalid_client`, or `token_request_failed` if it didn't send one. */
  readonly error: string;
  /** The server's description, at most 8,192 characters of it. Secrets that it repeats are redacted. */
  readonly errorDescription: string | null;
  /** The HTTP status, or `null` if there was no response. */
  readonly statusCode: number | null;
  /** The response. Its body has been read. Not enumerable, so that it isn't logged by accident. */
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
 * Why a stored token could not be read or written.
 *
 * - `unreadable`: The value is damaged, isn't a stored token, or was encrypted with another key.
 * - `unavailable`: The disk, the directory or the server can't be used, or the lock wasn't free in time.
 * - `lease-lost`: The process didn't extend its lease on the token in time, and another process took it. Nothing was
 *   written, since the other process may have stored a newer token.
 * - `misconfigured`: An option is invalid, or the database lacks the table.
 */
export type TokenStoreErrorCode = "unreadable" | "unavailable" | "lease-lost" | "misconfigured";

/** Thrown when a token store can't read or write a token. */
export class TokenStoreError extends HardproofError {
  /** The name of the class. */
  override readonly name = "TokenStoreError" as const;
  /** Identifies the kind of failure. */
  declare readonly code: TokenStoreErrorCode;

  constructor(code: TokenStoreErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(code, message, options);
  }
}

/**
 * Returns a copy with only the name, message, stack and code. `util.inspect` prints causes, and the errors of SDKs
 * contain requests with credentials.
 */
function sanitizeCause(cause: unknown): unknown {
  if (!(cause instanceof Error)) return typeof cause === "object" ? undefined : cause;
  if (cause instanceof HardproofError) return cause;
  const inner = cause.cause === undefined ? undefined : { cause: sanitizeCause(cause.cause) };
  const sanitized: Error & { code?: unknown } = new Error(cause.message, inner);
  Object.defineProperty(sanitized, "name", { value: cause.name, configurable: true });
  Object.defineProperty(sanitized, "stack", { value: cause.stack, configurable: true });
  if ("code" in cause && ["string", "number"].includes(typeof cause.code)) sanitized.code = cause.code;
  return sanitized;
}
