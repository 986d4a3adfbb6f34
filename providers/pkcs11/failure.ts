/** Errors on their way from a worker to the main side: the structured clone algorithm keeps no class and no `code`. */
import { SignerError } from "../../src/errors.js";
import type { Failure } from "./protocol.js";
import { toSignerError } from "./return-values.js";

/** The token refused a session beside those that are open. */
export class RefusedSession extends Error {}

/**
 * @param lost - Whether the key was lost and the recovery failed.
 * @param hint - What else to check, if the token is unavailable.
 */
export function toFailure(error: unknown, operation: string, lost = false, hint?: string): Failure {
  if (error instanceof RefusedSession) return { ...toFailure(error.cause, operation), refusedSession: true };
  const known = toSignerError(error, operation);
  if (!(known instanceof SignerError))
    return { code: "unavailable", message: String(error), cause: toCause(error), lost };
  const message = known.code === "unavailable" && hint ? `${known.message} ${hint}` : known.message;
  return { code: known.code, message, cause: toCause(known.cause), lost };
}

export function fromFailure({ code, message, cause }: Failure): SignerError {
  if (cause === undefined) return new SignerError(code, message);
  const { name, message: reason, code: value } = cause;
  return new SignerError(code, message, { cause: Object.assign(new Error(reason), { name, code: value }) });
}

function toCause(cause: unknown): Failure["cause"] {
  if (!(cause instanceof Error)) return undefined;
  return { name: cause.name, message: cause.message, code: "code" in cause ? cause.code : undefined };
}
