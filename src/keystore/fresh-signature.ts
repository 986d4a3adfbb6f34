/** The age of a JWT: the time from when its claims were made to when the store returned the signature. */
import { SignerError } from "../errors.js";

/** Signatures that are requested for one JWT: the second one if the first came too late. */
const ATTEMPTS = 2;

/** Signs, and calls the function when the claims are made. */
export type TimedSigning<T> = (claimsMade: () => void) => Promise<T>;

/**
 * Signs once more if the claims had become too old when the store returned the signature.
 *
 * @param maxAge - Seconds. Default: no limit.
 * @param uri - The key's URI, for the error.
 * @throws {SignerError} With code `timeout` if the second signature came too late as well. The message says how old the
 *   JWT was each time. Otherwise, what `sign` throws.
 */
export async function signFresh<T>(
  sign: TimedSigning<T>,
  maxAge = Number.POSITIVE_INFINITY,
  uri = "The key",
): Promise<T> {
  const ages: string[] = [];
  while (ages.length < ATTEMPTS) {
    let madeAt = Number.POSITIVE_INFINITY;
    const result = await sign(() => {
      madeAt = performance.now();
    });
    const age = (performance.now() - madeAt) / 1000;
    if (age <= maxAge || madeAt === Number.POSITIVE_INFINITY) return result;
    ages.push(age.toFixed(1));
  }
  const message =
    `${uri}: The JWT was ${ages.join(" s old, and then ")} s old when the store returned its signature. ` +
    `It must be at most ${maxAge} s old, so it was discarded. Check why the key signs so slowly.`;
  throw new SignerError("timeout", message, { uri });
}
