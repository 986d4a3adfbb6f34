/** What the command ends with, for scripts to tell apart. */
import { HardproofError } from "../index.js";

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
  override readonly name = "UsageError";

  constructor(message: string, cause?: unknown) {
    super("usage", message, { cause });
  }
}

/** A resource server that did not answer. */
export class NetworkError extends HardproofError {
  override readonly name = "NetworkError";

  constructor(message: string, cause: unknown) {
    super("unreachable", message, { cause });
  }
}

/** By its name, not by `instanceof`: a provider may carry its own copy of this package. */
export function isOurs(error: unknown): error is HardproofError {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    Object.hasOwn(EXIT_CODE_OF, error.name)
  );
}

export function exitCodeOf(error: HardproofError): number {
  return EXIT_CODE_OF[error.name]?.(error.code) ?? EXIT.unexpected;
}

const EXIT_CODE_OF: Readonly<Record<string, (code: string) => number>> = {
  UsageError: () => EXIT.usage,
  NetworkError: () => EXIT.server,
  SignerError: () => EXIT.keyStore,
  DPoPError: (code) => (code === "redirect" || code === "body-spent" ? EXIT.server : EXIT.usage),
  OAuthError: (code) => {
    if (code === "refused" || code === "binding") return EXIT.failed;
    return code === "misconfigured" ? EXIT.usage : EXIT.server;
  },
};
