/** One line about what was seen, for a scenario's result. */
import { OAuthError, type Token } from "hardproof";
import { check } from "./scenario.js";

/** @throws {Error} If the token isn't bound to the key. */
export function seenToken({ cnfJkt, raw, expiresIn }: Token, { jkt }: { jkt: string }): string {
  check(cnfJkt === jkt, `the token is bound to ${cnfJkt}, but the key is ${jkt}`);
  return `a bound token, token_type ${raw.token_type}, for ${expiresIn} s`;
}

/**
 * Returns the words of the server's refusal.
 *
 * @throws {Error} If the request succeeds, or fails with another code.
 */
export async function refusal(request: Promise<unknown>, code: string): Promise<string> {
  const { error, errorDescription } = await refusalOf(request, code);
  return `${error}, ${errorDescription ?? "without a description"}`;
}

/**
 * Returns the error of a request that the server refuses.
 *
 * @throws {Error} If the request succeeds, or fails with another code.
 */
export async function refusalOf(request: Promise<unknown>, code: string): Promise<OAuthError> {
  const error = await request.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  check(error !== undefined, "the request succeeded");
  if (!(error instanceof OAuthError)) throw error;
  check(error.error === code, error.message);
  return error;
}

/** Returns the status of a response, and its challenge if it has one. */
export function seenResponse(response: Response): string {
  const challenge = response.headers.get("www-authenticate");
  return challenge === null ? `status ${response.status}` : `status ${response.status}, ${challenge}`;
}

/**
 * Returns the message of a request's error.
 *
 * @throws {Error} If the request succeeds, or its message doesn't match the pattern.
 */
export async function messageOf(request: Promise<unknown>, pattern: RegExp): Promise<string> {
  const { message } = await request.then(
    () => new Error("the request succeeded"),
    (error: Error) => error,
  );
  check(pattern.test(message), message);
  return message;
}

/**
 * Returns why the work was refused, in one line.
 *
 * @throws {Error} If it wasn't refused.
 */
export async function reasonOf(work: () => Promise<unknown>): Promise<string> {
  const outcome = await work().then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (outcome === undefined) throw new Error("It wasn't refused.");
  return outcome.replaceAll(/\s+/g, " ");
}

/** Returns the status of a response, its challenge, and the first part of its body, in one line. */
export async function responseLine(response: Response): Promise<string> {
  const challenge = response.headers.get("www-authenticate");
  const body = (await response.text()).replaceAll(/\s+/g, " ").slice(0, 200);
  return [response.status, challenge, body].filter(Boolean).join(" ");
}
