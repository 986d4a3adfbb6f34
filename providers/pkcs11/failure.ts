/** Converts errors to and from messages: the structured clone algorithm drops their class and their `code`. */
import { SignerError } from "../../src/errors.js";
import type { Failure } from "./protocol.js";
import { toSignerError } from "./return-values.js";

/** The token refused a further session, while other sessions are open. `cause` is the token's error. */
export class RefusedSession extends Error {}

/**
 * Converts an error to a message.
 *
 * @param operation - What was being done, such as `opening the key`.
 * @param lost - Whether the key was lost and the recovery failed.
 * @param hint - What else to check, if the token is unavailable.
 */
export function toFailure(error: unknown, operation: string, lost = false, hint?: string): Failure {
  if (error instanceof RefusedSession) return { ...toFailure(error.cause, operation), refusedSession: true };
  const signerError = toSignerError(error, operation);
  if (!(signerError instanceof SignerError))
    return { code: "unavailable", message: String(error), cause: toCause(error), lost };
  const message = signerError.code === "unavailable" && hint ? `${signerError.message} ${hint}` : signerError.message;
  return { code: signerError.code, message, cause: toCause(signerError.cause), lost };
}

/** Converts a message back to an error. */
export function fromFailure({ code, message, cause }: Failure): SignerError {
  if (cause === undefined) return new SignerError(code, message);
  const { name, message: reason, code: value } = cause;
  return new SignerError(code, message, { cause: Object.assign(new Error(reason), { name, code: value }) });
}

function toCause(cause: unknown): Failure["cause"] {
  if (!(cause instanceof Error)) return undefined;
  return { name: cause.name, message: cause.message, code: "code" in cause ? cause.code : undefined };
}
