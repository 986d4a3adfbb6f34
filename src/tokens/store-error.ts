/** Errors of token stores. They don't repeat the messages of other code, which may contain the token that was written. */
import { TokenStoreError } from "../errors.js";

/** Returns the error itself if it is a {@link TokenStoreError}: those contain no secret. */
export function storeError(problem: string, reason: unknown): TokenStoreError {
  return reason instanceof TokenStoreError
    ? reason
    : new TokenStoreError("unavailable", `${problem}: ${nameOf(reason)}.`);
}

/** Returns the error's name and code. Redis has its code in the message's first word, such as `NOAUTH`. */
export function nameOf(reason: unknown): string {
  if (!(reason instanceof Error)) return "unknown reason";
  const code = "code" in reason ? String(reason.code) : /^[A-Z]{2,20}\b/.exec(reason.message)?.[0];
  const suffix = code !== undefined && /^\w{1,40}$/.test(code) ? ` (${code})` : "";
  const name = reason.name === "Error" ? reason.constructor.name : reason.name; // node-redis sets only the class
  return `${/^\w{1,40}$/.test(name) ? name : "Error"}${suffix}`;
}
