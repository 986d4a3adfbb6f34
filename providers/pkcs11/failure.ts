/** Converts errors to and from messages: the structured clone algorithm drops their class and their `code`. */
import { SignerError, type SignerErrorCode } from "../../src/errors.js";
import { toSignerError } from "./return-values.js";

/** An error, as it is sent to another thread or process. */
export interface Failure {
  readonly code: SignerErrorCode;
  readonly message: string;
  readonly cause: { name: string; message: string; code: unknown } | undefined;
  readonly reason?: Reason;
}

/** `lost`: the recovery has failed. `no session`: the token refused a further session, while others are open. */
type Reason = "lost" | "no session";

/** An error that concerns the key's other requests too. `cause` is the error of the library. */
export class KeyError extends Error {
  readonly reason: Reason;

  constructor(reason: Reason, cause: unknown) {
    super(reason, { cause });
    this.reason = reason;
  }
}

/**
 * Converts an error to a message.
 *
 * @param operation - What was being done, such as `opening the key`.
 * @param hint - What else to check.
 */
export function toFailure(error: unknown, operation: string, hint?: string): Failure {
  if (error instanceof KeyError) return { ...toFailure(error.cause, operation, hint), reason: error.reason };
  const signerError = toSignerError(error, operation, hint);
  if (!(signerError instanceof SignerError))
    return { code: "unexpected", message: String(error), cause: toCause(error) };
  return { code: signerError.code, message: signerError.message, cause: toCause(signerError.cause) };
}

/** Converts a message back to an error. */
export function fromFailure({ code, message, cause, reason }: Failure): SignerError | KeyError {
  const error = new SignerError(code, message, { cause: cause && Object.assign(new Error(cause.message), cause) });
  return reason ? new KeyError(reason, error) : error;
}

function toCause(cause: unknown): Failure["cause"] {
  if (!(cause instanceof Error)) return undefined;
  return { name: cause.name, message: cause.message, code: "code" in cause ? cause.code : undefined };
}
