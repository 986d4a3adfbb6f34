/** Maps the errors of AWS KMS, the SDK and the network to `SignerError`s. */
import { SignerError } from "../../src/errors.js";
import type { ErrorRow } from "../../src/keystore/error-table.js";
import type { SearchReport } from "./credential-search.js";
import { ERRORS, FILE_ERROR, NETWORK_ERROR, SOURCE_ERROR, TLS_ERROR } from "./error-rows.js";
import { cleanName, firstSentence, isPresentable, textOf } from "./error-text.js";
import { foreignResponseRow, hasKmsErrorCode, statusOf } from "./foreign-response.js";

/** An operation of AWS KMS, which needs the permission of the same name, such as `kms:Sign`; or the client's creation. */
export type Operation =
  | "GetPublicKey"
  | "Sign"
  | "DescribeKey"
  | "CreateKey"
  | "CreateAlias"
  | "ListKeys"
  | "ScheduleKeyDeletion"
  | "KMSClient";

/**
 * Maps an error of the SDK. The message has the first sentence of the service or the SDK. The cause is omitted if it is
 * very long, has control characters, or can contain a secret: the service responds to a wrong signature with the whole request, including the session
 * token, and the SDK reports a failed credential process with its arguments.
 *
 * @param search - What the sources of credentials reported, if the SDK's search for credentials failed.
 */
export function toSignerError(error: unknown, operation: Operation, search?: SearchReport): SignerError {
  const { title, row } = classify(error, operation);
  const [code, remedy] = search?.retryable ? SOURCE_ERROR : row;
  const sentence = firstSentence(textOf(error), error instanceof Error && statusOf(error) !== undefined);
  const sentences = [sentence, ...(search?.sources ?? []), remedy].filter((each) => each !== "");
  const isShown = error instanceof Error && !/signature/i.test(title) && isPresentable(error);
  const message = `${title} from ${operation}${sentence === "" ? "." : ":"} ${sentences.join(" ")}`;
  return new SignerError(code, message, { cause: isShown ? error : undefined });
}

/** Returns whether the SDK didn't find credentials. */
export function isSearchError(error: unknown): boolean {
  return error instanceof Error && error.name === "CredentialsProviderError";
}

/** Returns whether AWS KMS didn't find the key. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === "NotFoundException";
}

/** Returns whether a request with `DryRun` would have succeeded (KMS API, "Sign"). */
export function isDryRun(error: unknown): boolean {
  return error instanceof Error && error.name === "DryRunOperationException";
}

/** Returns whether the error means that the key exists, but can't be used for the request. */
export function provesKeyExists(error: unknown): boolean {
  return (
    error instanceof Error &&
    /^(Disabled|KMSInvalidState|InvalidKeyUsage|UnsupportedOperation|KeyUnavailable)Exception/.test(error.name)
  );
}

/** How the message begins, and what the error means. */
interface Classified {
  readonly title: string;
  readonly row: ErrorRow;
}

function classify(error: unknown, operation: Operation): Classified {
  if (!(error instanceof Error)) return { title: "An error", row: ERRORS.get("") };
  const code = codeOf(error);
  const title = cleanName(code ?? error.name);
  if (title.startsWith("AccessDenied")) return { title, row: accessDenied(error, operation) };
  const name = [code ?? stateOf(error), error.message].find((each) => ERRORS.has(each));
  if (name !== undefined) return { title, row: ERRORS.get(name) };
  const status = statusOf(error);
  if (status !== undefined)
    return hasKmsErrorCode(error) && status < 429
      ? { title, row: ERRORS.get(title) }
      : { title: `HTTP ${status}`, row: foreignResponseRow(error, status) };
  return { title, row: systemErrorRow(error, title) };
}

/** Returns the code of a system error. It takes precedence, since the SDK calls several of them `TimeoutError`. */
function codeOf(error: Error): string | undefined {
  if (!("code" in error) || typeof error.code !== "string" || error.code === "ABORT_ERR") return undefined;
  return /^[A-Z][A-Z0-9_]+$/.test(error.code) ? error.code : undefined;
}

/** Returns the exception's name, with what its message says if that makes a difference. */
function stateOf({ name, message }: Error): string {
  const state = /pending (?:replica )?(?:deletion|import)|^Signature (?:expired|not yet current)/i.exec(message)?.[0];
  return state === undefined ? name : `${name}: ${state.replace("replica ", "")}`;
}

function systemErrorRow(error: Error, code: string): ErrorRow {
  if ("path" in error) return FILE_ERROR;
  if (/CERT|UNABLE_TO_|SSL|EPROTO|HPE_/.test(code)) return TLS_ERROR;
  return "syscall" in error || /^E[A-Z]+$/.test(code) ? NETWORK_ERROR : ERRORS.get(code);
}

/** The service usually names the missing permission. It can differ from the operation's, such as `kms:TagResource`. */
function accessDenied(error: Error, operation: Operation): ErrorRow {
  const permission = /\b(?:kms|iam|sts|sso):[A-Za-z]+\b/.exec(error.message)?.[0] ?? `kms:${operation}`;
  return ["access-denied", `The caller lacks ${permission}. Allow it in the key policy or in an IAM policy.`];
}
