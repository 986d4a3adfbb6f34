/** Exit codes of the command, and which error leads to which code. */
import { HardproofError } from "../index.js";

/** The exit codes of the command. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  keyStore: 3,
  server: 4,
  unexpected: 70,
  hungUp: 129,
  interrupted: 130,
  quit: 131,
  terminated: 143,
} as const;

/** Exit code → what it means. */
export const EXIT_CODE_MEANINGS: Readonly<Record<string, string>> = {
  [EXIT.ok]: "success",
  [EXIT.failed]: "a check failed, or the server rejected the request",
  [EXIT.usage]: "the command line, a file it names, or the environment is invalid",
  [EXIT.keyStore]: "the key or its store reported an error (a SignerError)",
  [EXIT.server]: "the network failed, or the server sent an unexpected response",
  [EXIT.unexpected]: "internal error: please report it",
  [EXIT.hungUp]: "the terminal was closed (SIGHUP)",
  [EXIT.interrupted]: "interrupted by Ctrl-C",
  [EXIT.quit]: "interrupted by SIGQUIT while a secret was typed",
  [EXIT.terminated]: "interrupted by SIGTERM",
};

/** The section of `hardproof --help` about exit codes. */
export const EXIT_CODES_HELP = `\nExit codes:\n${Object.entries(EXIT_CODE_MEANINGS)
  .map(([code, meaning]) => `  ${code.padEnd(4)} ${meaning}\n`)
  .join("")}`;

/** The command line, a file that it names, or the environment is invalid. The message never repeats a value. */
export class UsageError extends HardproofError {
  override readonly name = "UsageError";

  constructor(message: string, cause?: unknown) {
    super("usage", message, { cause });
  }
}

/** A resource server could not be reached, was too slow, or its response ended early. */
export class NetworkError extends HardproofError {
  override readonly name = "NetworkError";

  constructor(code: "unreachable" | "timeout", message: string, cause: unknown) {
    super(code, message, { cause });
  }
}

/** Checks the error's name instead of using `instanceof`: a provider may load its own copy of this package. */
export function isHardproofError(error: unknown): error is HardproofError {
  return (
    error instanceof Error && "code" in error && typeof error.code === "string" && Object.hasOwn(EXIT_CODES, error.name)
  );
}

/** Returns the exit code for an error. */
export function exitCodeFor(error: HardproofError): number {
  return EXIT_CODES[error.name]?.(error.code) ?? EXIT.unexpected;
}

/** Maps the name of an error class to a function from `code` to exit code. */
const EXIT_CODES: Readonly<Record<string, (code: string) => number>> = {
  UsageError: () => EXIT.usage,
  NetworkError: () => EXIT.server,
  // A URI or an option is part of the command line, a missing package or variable of its environment.
  SignerError: (code) => (code === "misconfigured" ? EXIT.usage : EXIT.keyStore),
  DPoPError: (code) => (code === "redirect" || code === "body-spent" ? EXIT.server : EXIT.usage),
  OAuthError: (code) => {
    if (code === "refused" || code === "binding") return EXIT.failed;
    return code === "misconfigured" ? EXIT.usage : EXIT.server;
  },
};

/** Returns the error's code, such as `ENOENT`. */
export function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
