/** Tokens that the user has, read as secrets: the token alone, without the scheme of the header it came from. */
import { UsageError } from "./exit-codes.js";
import type { Io } from "./io.js";
import { readSecret, type SecretOptions, sourceName } from "./secrets.js";

const SCHEME = /^(?:authorization:\s*)?(Bearer|DPoP)\s/i;

/**
 * Reads a token.
 *
 * @returns The token, or `undefined` if no source is set.
 * @throws {UsageError} If the source can't be read, is empty, or has more than the token. The message doesn't repeat it.
 */
export async function readTokenSecret(options: SecretOptions, io: Io): Promise<string | undefined> {
  const token = await readSecret(options, io);
  const [, scheme] = SCHEME.exec(token?.trimStart() ?? "") ?? [];
  if (scheme === undefined) return token;
  const name = scheme.toLowerCase() === "dpop" ? "DPoP" : "Bearer";
  throw notOnlyToken(options, io, `Leave out "${name} ".`);
}

/**
 * Reads an access token, which a header can contain (RFC 6750 §2.1).
 *
 * @throws {UsageError} As {@link readTokenSecret} does, and for any other character than visible ASCII.
 */
export async function readAccessToken(options: SecretOptions, io: Io): Promise<string | undefined> {
  const token = await readTokenSecret(options, io);
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  throw notOnlyToken(options, io, "It has spaces, line breaks or other characters than visible ASCII.");
}

function notOnlyToken(options: SecretOptions, io: Io, problem: string): UsageError {
  return new UsageError(`${options.name}: ${sourceName(options, io)} must contain only the token. ${problem}`);
}
