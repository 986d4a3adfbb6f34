/** Failures of Google's auth library, which gets the access token: what they mean, and what to do. */
import { SignerError } from "../../src/errors.js";
import type { ErrorRow } from "../../src/keystore/error-table.js";
import { firstLine, redact } from "./error-text.js";
import { parseSdkError, type SdkError } from "./sdk-error.js";

const LOGIN = "run `gcloud auth application-default login`";
const NETWORK = "Check that this host can reach it, and try again.";
const CLOCK = "Check the clock of this machine (NTP): Google rejects tokens with a wrong time.";
const FORMAT =
  "Use a credentials file of Google in JSON, whose `type` is service_account, authorized_user, external_account or " +
  `impersonated_service_account, or ${LOGIN}.`;
const UNIVERSE =
  "Set universeDomain to the credentials' universe domain (in a URI: universe-domain), or use credentials of the other one.";
const RENEW =
  `Renew them: ${LOGIN}. For a service account, check that it and its key still exist and are enabled, and check this ` +
  "machine's clock.";

/** By the words of the library. The first one that matches counts. */
const BY_WORDS: readonly (readonly [words: RegExp, row: ErrorRow])[] = [
  [/configured universe domain/, ["misconfigured", UNIVERSE]],
  [
    /Could not load the default credentials/,
    ["access-denied", `R${LOGIN.slice(1)}, set GOOGLE_APPLICATION_CREDENTIALS, or set clientConfig.authClient.`],
  ],
  [/short-lived token|\biat\b|not yet valid/, ["access-denied", CLOCK]],
  [/DECODER routines/, ["access-denied", "Create a new key of the service account, and use its file unchanged."]],
  [/invalid_grant|invalid_rapt/, ["access-denied", RENEW]],
  [
    /\b(?:ENOENT|EACCES|EPERM|EISDIR|ENOTDIR)\b|it is not a file/,
    ["access-denied", `Check that the file exists and that this user can read it, or ${LOGIN}.`],
  ],
  [
    /reason: .*certificate/,
    ["misconfigured", "If a proxy inspects TLS, set NODE_EXTRA_CA_CERTS to its certificate authority."],
  ],
  [
    /\bE(?:CONN|HOST|NET|PIPE|TIMEDOUT|AI_AGAIN)|\bENOTFOUND|socket hang up|Premature close|failed, reason|timed? ?out/i,
    ["unavailable", NETWORK],
  ],
  [/JSON|Cannot read properties/, ["misconfigured", FORMAT]],
];

/** By the HTTP status of the token endpoint or the metadata server. */
function rowOfStatus(status: number): ErrorRow {
  if (status === 404)
    return ["access-denied", "Attach a service account with the scope cloud-platform to this machine."];
  if (status === 408) return ["timeout", "Try again."];
  if (status === 429) return ["throttled", "Try again later."];
  if (status >= 500) return ["unavailable", "The server of the credentials failed. Try again."];
  if (status >= 400) return ["access-denied", RENEW];
  if (status >= 300)
    return ["misconfigured", "The response isn't Google's. Check whether a proxy intercepts the request."];
  return ["misconfigured", "Correct the credentials, the environment variables or clientConfig."];
}

/**
 * Maps an error of the auth library, or of `initialize()`.
 *
 * @returns The error, whose message has the library's own first line, without secrets.
 */
export function credentialsError({ words, status }: SdkError): SignerError {
  const [code, remedy] = BY_WORDS.find(([pattern]) => pattern.test(words))?.[1] ?? rowOfStatus(status);
  const report = words.includes("DECODER routines") ? `${UNREADABLE_KEY} (${firstLine(words)})` : firstLine(words);
  const cause = Object.assign(new Error(redact(words)), status > 0 && { code: status });
  return new SignerError(code, `No usable Google credentials: ${withStatus(report, status)}. ${remedy}`, { cause });
}

const UNREADABLE_KEY = "The private key of the credentials can't be parsed";

/** A page or an object says nothing; the status does. */
function withStatus(report: string, status: number): string {
  const isClear = /[a-z]{3}/.test(report) && !/HTML page|\[object|code undefined$/.test(report);
  return status >= 300 && !isClear ? `HTTP ${status} (${report || "empty"})` : report;
}

/** Maps what the constructor and `initialize()` of the SDK's client throw. */
export function initializationError(error: unknown): SignerError {
  return error instanceof SignerError ? error : credentialsError(parseSdkError(error));
}
