/** What the command ends with, for scripts to tell apart. */
import { DPoPError, HardproofError, OAuthError, SignerError } from "../index.js";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  keyStore: 3,
  server: 4,
  unexpected: 70,
  interrupted: 130,
  terminated: 143,
} as const;

/** As `hardproof --help` shows them. */
export const EXIT_CODES_HELP = `
Exit codes:
  0    done
  1    a check failed, or the server said no
  2    the command line, a file that it names, or the environment is wrong
  3    the key or its store: error code of SignerError
  4    the network, or an answer that is not what was asked for
  70   a mistake in hardproof
  130  ended by Ctrl-C (143: by SIGTERM)
`;

/** What is wrong with the command line, in one line, without anything that was given as a value. */
export class UsageError extends HardproofError {
  constructor(message: string, cause?: unknown) {
    super("usage", message, { cause });
  }
}

/** A resource server that did not answer. */
export class NetworkError extends HardproofError {
  constructor(message: string, cause: unknown) {
    super("unreachable", message, { cause });
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof DPoPError) return /^(redirect|body-spent)$/.test(error.code) ? EXIT.server : EXIT.usage;
  if (error instanceof SignerError) return EXIT.keyStore;
  if (error instanceof OAuthError) return ofServer(error);
  return error instanceof NetworkError ? EXIT.server : EXIT.unexpected;
}

function ofServer({ code }: OAuthError): number {
  if (code === "refused" || code === "binding") return EXIT.failed;
  return code === "misconfigured" ? EXIT.usage : EXIT.server;
}
