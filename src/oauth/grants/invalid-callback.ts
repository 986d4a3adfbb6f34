/** The error for a callback that was rejected before its code was used. */
import { OAuthError } from "../../errors.js";
import { errorText } from "../error-response.js";
import type { CallbackParameters } from "./callback-parameters.js";

/**
 * Creates the error. Anyone can send the browser to the callback, so an error that a rejected callback contains is only
 * part of the message: it is what the user needs to know if it was the server's after all.
 *
 * @param problem - The end of a sentence that starts with "The callback".
 */
export function invalidCallback(problem: string, { error, error_description }: CallbackParameters = {}): OAuthError {
  const claim =
    error === undefined ? "" : ` It claims this error of the server: ${errorText(error, error_description ?? null)}`;
  return new OAuthError("invalid-response", `The callback ${problem}. Its code was not used.${claim}`);
}
