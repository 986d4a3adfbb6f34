/** Maps gRPC status codes (https://grpc.io/docs/guides/status-codes) to `SignerError`s. */
import { SignerError } from "../../src/errors.js";
import { clockFinding } from "../../src/keystore/clock-finding.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";
import { credentialsError } from "./credentials-error.js";
import { firstLine, redact } from "./error-text.js";
import { type ForeignResponse, foreignResponse } from "./foreign-response.js";
import { parseSdkError, type SdkError } from "./sdk-error.js";

const ROWS: Readonly<Record<string, ErrorRow>> = {
  CANCELLED: ["aborted", "The call was cancelled."],
  UNKNOWN: ["unavailable", "Try again."],
  INVALID_ARGUMENT: ["misconfigured", "The service doesn't accept the name or the request."],
  DEADLINE_EXCEEDED: ["timeout", "Try again, or increase `timeout`."],
  NOT_FOUND: ["key-not-found", "Check project, location, key ring, key and version. Names are case-sensitive."],
  ALREADY_EXISTS: ["misconfigured", "Choose another id, or open the existing key."],
  PERMISSION_DENIED: ["access-denied", "Grant the caller a role, and enable the Cloud KMS API in the project."],
  RESOURCE_EXHAUSTED: ["throttled", "The quota is used up. Try again later, or request a higher quota."],
  FAILED_PRECONDITION: ["access-denied", "The state or purpose of the key version doesn't allow this operation."],
  ABORTED: ["unavailable", "Try again."],
  OUT_OF_RANGE: ["misconfigured", "The service doesn't accept the request."],
  UNIMPLEMENTED: ["misconfigured", "The server is not Cloud KMS. Check the endpoint."],
  INTERNAL: ["unavailable", "Try again."],
  UNAVAILABLE: ["unavailable", "The service can't be reached. Check the endpoint and the network, and try again."],
  DATA_LOSS: ["integrity", "The response was discarded."],
  UNAUTHENTICATED: [
    "access-denied",
    "The credentials are missing, invalid or expired. Renew them, and check this machine's clock.",
  ],
};
const ERRORS = new ErrorTable(ROWS, ["unexpected", "This version of Hardproof doesn't know this error."]);
/** The rows are in the order of the status codes, starting at 1. */
const NAMES = Object.keys(ROWS);

const INVALID_ARGUMENT = 3;
/** A quota is used up. The SDK retries it. */
export const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const UNIMPLEMENTED = 12;
/** The service can't be reached. The SDK retries it. */
export const UNAVAILABLE = 14;

/** The call that failed, for the error message. */
export interface CallContext {
  /** The gRPC method, such as `AsymmetricSign`. */
  readonly method: string;
  /** The name of the requested resource. */
  readonly name: string;
  /** A role that allows the call, for PERMISSION_DENIED. */
  readonly role: string;
}

/**
 * Maps an error of the SDK. The message has the service's own first line. The gRPC status, or the HTTP status of a
 * response that isn't from Cloud KMS, is in `cause.code`.
 */
export function toSignerError(error: unknown, context: CallContext): SignerError {
  const failure = parseSdkError(error);
  if (failure.isAboutCredentials) return credentialsError(failure);
  const foreign = foreignResponse(failure.words);
  return foreign ? foreignError(foreign, failure, context) : statusError(failure, context);
}

function statusError(failure: SdkError, { method, name, role }: CallContext): SignerError {
  const { status, words } = failure;
  const statusName = NAMES[status - 1] ?? "An unknown error";
  const [code, remedy] = ERRORS.get(statusName);
  const hints = [
    statusName === "PERMISSION_DENIED" ? ` The role ${role} is sufficient.` : "",
    statusName === "UNAUTHENTICATED" ? clockHint(failure) : "",
  ];
  const message = `${statusName} from ${method} on ${name}: ${report(failure)}. ${remedy}${hints.join("")}`;
  const isDamaged = wasDamagedInTransit(status, words);
  return new SignerError(isDamaged ? "integrity" : code, message, { cause: causeOf(words, status) });
}

function foreignError(response: ForeignResponse, failure: SdkError, { method, name }: CallContext): SignerError {
  const [code, remedy] = response.row;
  const what = `${response.what} from ${method} on ${name}: the response is not from Cloud KMS (${report(failure)})`;
  return new SignerError(code, `${what}. ${remedy}`, { cause: causeOf(failure.words, response.http) });
}

function report({ words, wasRetried }: SdkError): string {
  const line = firstLine(words) || "the service gave no reason";
  return wasRetried ? `${line} (after several attempts)` : line;
}

function causeOf(words: string, code: number | undefined): Error {
  return Object.assign(new Error(redact(words)), code !== undefined && { code });
}

/** Google rejects a token whose time is wrong as an invalid one. The response's own time tells them apart. */
function clockHint({ date }: SdkError): string {
  const { ok, found, remedy } = clockFinding(date ?? null, "the server");
  return ok === false ? ` This machine's clock is ${found}. ${remedy}` : "";
}

/** Returns whether the state or purpose of the key version can be the reason for the error. */
export function mayDependOnVersionState(error: unknown): boolean {
  const status = statusOf(error);
  return status === FAILED_PRECONDITION || status === INVALID_ARGUMENT;
}

/** Returns whether the server doesn't know the method, or a field of the request. */
export function isUnimplemented(error: unknown): boolean {
  return statusOf(error) === UNIMPLEMENTED;
}

/** Returns the gRPC status of an error, unless the request or the response was damaged in transit. */
function statusOf(error: unknown): unknown {
  if (!(error instanceof SignerError) || error.code === "integrity") return undefined;
  return error.cause instanceof Error && "code" in error.cause ? error.cause.code : undefined;
}

/** Returns whether the service received a digest that doesn't match its checksum. */
function wasDamagedInTransit(status: number, details: string): boolean {
  return status === INVALID_ARGUMENT && /crc32c|checksum/i.test(details);
}
