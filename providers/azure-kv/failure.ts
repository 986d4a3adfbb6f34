/** What an error of the SDK, of a credential or of the network says, in the terms of the error table. */
import { redact } from "./redact.js";

/** A failed request. */
export interface Failure {
  /** The name in the error table: that of the service, or one of those below. */
  readonly name: string;
  /** The name that operators can search for, such as `Forbidden (KeyDisabled)`. */
  readonly label: string;
  /** The error's own words: its first sentence, without secrets. */
  readonly words: string;
  /** Milliseconds that the service asks to wait (RFC 9110 §10.2.3), or 0. */
  readonly retryAfter: number;
}

/** Error codes of Node that mean a connection that was refused or lost. */
const CONNECTION = /^(ECONN\w+|EPIPE|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|REQUEST_SEND_ERROR)$/;
/** Those that mean a certificate that isn't trusted. */
const CERTIFICATE = /^(CERT_\w+|\w*SELF_SIGNED\w*|UNABLE_TO_\w+|ERR_TLS_\w+)$/;
/** Errors that only their text tells apart, and their names in the table. */
const BY_TEXT: readonly (readonly [RegExp, string])[] = [
  [/^The challenge (resource|contains)/, "ChallengeMismatch"],
  [/not configured to acquire tokens for tenant/, "OtherTenant"],
  [/endpoints_resolution_error|network_error|getaddrinfo|ECONNREFUSED|ETIMEDOUT/, "Connection"],
  [/temporarily_unavailable|server_error|AADSTS(50000|90033)|^Response had no/, "EntraUnavailable"],
  [/AADSTS\d+/, "AuthenticationError"],
  [/^Invalid (\w+ identifier|\w+ argument)|^Cannot read properties/, "Malformed"],
];
const MAX_WORDS = 500;
const TOO_MANY = 429;
const SERVER_ERROR = 500;

/**
 * Reads an error.
 *
 * @param isListed - Returns whether the table has a name.
 */
export function readFailure(error: unknown, isListed: (name: string) => boolean): Failure {
  const { name, code, statusCode, details, message, response, errors } = toFields(error);
  const inner = innerCode(details);
  // What the vault itself responded isn't judged by its text, nor is a chain in which each credential has its own reason.
  const special = response === undefined && errors === undefined ? textName(message) : undefined;
  const kind = classOf(code, statusCode);
  // A credential can fail for a moment, too, which its name doesn't say.
  const transient = statusCode >= SERVER_ERROR || statusCode === TOO_MANY ? kind : undefined;
  const candidates = [special, inner, code, transient, name, kind];
  const label = code || (statusCode > 0 ? `HTTP ${statusCode}` : name);
  return {
    name: candidates.find((each) => each !== undefined && isListed(each)) ?? name,
    label: inner === undefined ? label : `${label} (${inner})`,
    words: wordsOf(error),
    retryAfter: retryAfterOf(error),
  };
}

function toFields(error: unknown) {
  const { name, code, statusCode, details, message, response, errors } = Object(error);
  return {
    name: typeof name === "string" ? name : "Error",
    code: typeof code === "string" ? code : "",
    statusCode: typeof statusCode === "number" ? statusCode : 0,
    message: typeof message === "string" ? message : "",
    details,
    response,
    errors,
  };
}

/** Returns `innererror.code`, which says why the service forbids an operation. */
function innerCode(details: unknown): string | undefined {
  const { innerError } = Object(Object(details).error);
  const { code } = Object(innerError);
  return typeof code === "string" ? code : undefined;
}

function textName(message: string): string | undefined {
  return BY_TEXT.find(([pattern]) => pattern.test(message))?.[1];
}

function classOf(code: string, statusCode: number): string {
  if (CONNECTION.test(code)) return "Connection";
  if (CERTIFICATE.test(code)) return "Certificate";
  if (statusCode >= SERVER_ERROR) return "HTTP 5xx";
  return `HTTP ${statusCode}`;
}

/** A chain of credentials reports why each of them isn't available. */
function wordsOf(error: unknown): string {
  const { errors } = Object(error);
  const messages = [Array.isArray(errors) ? errors : error].flat().map(firstSentence);
  return messages.join(" ").slice(0, MAX_WORDS);
}

function firstSentence(error: unknown): string {
  const text = error instanceof Error ? error.message : "It isn't an error.";
  const [line = ""] = redact(text).split(/[\r\n]/, 1);
  const [sentence = line] = /^.*?[.!?](?=\s|$)/.exec(line) ?? [];
  const printable = sentence.replace(/\p{Cc}+/gu, " ").replace(/^[\s:]+/, "");
  if (printable === "") return "No reason was given.";
  return /[.!?…]$/.test(printable) ? printable : `${printable}.`;
}

function retryAfterOf(error: unknown): number {
  const header: unknown = Object(error).response?.headers?.get?.("retry-after");
  if (typeof header !== "string") return 0;
  const milliseconds = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(milliseconds) ? 0 : Math.max(0, milliseconds);
}
