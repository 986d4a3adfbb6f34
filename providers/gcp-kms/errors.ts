/** Maps gRPC status codes (https://grpc.io/docs/guides/status-codes) to `SignerError`s. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";

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
  UNAUTHENTICATED: ["access-denied", "The credentials are missing, invalid or expired. Renew them."],
};
const ERRORS = new ErrorTable(ROWS, ["unavailable", "Try again."]);
/** The rows are in the order of the status codes, starting at 1. */
const NAMES = Object.keys(ROWS);

const INVALID_ARGUMENT = 3;
/** A quota is used up. The SDK retries it. */
export const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const UNIMPLEMENTED = 12;
/** The service can't be reached. The SDK retries it. */
export const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** The call that failed, for the error message. */
export interface CallContext {
  /** The gRPC method, such as `AsymmetricSign`. */
  readonly method: string;
  /** The name of the requested resource. */
  readonly name: string;
  /** A role that allows the call, for PERMISSION_DENIED. */
  readonly role: string;
}

/** Maps an error of the SDK. The gRPC status code is in `cause.code`. */
export function toSignerError(error: unknown, { method, name, role }: CallContext): SignerError {
  const { status, details } = parseError(error);
  const statusName = NAMES[status - 1] ?? "An unknown error";
  const [code, remedy] = ERRORS.get(statusName);
  const cause = Object.assign(new Error(details), { code: status });
  const roleHint = statusName === "PERMISSION_DENIED" ? ` The role ${role} is sufficient.` : "";
  const message = `${statusName} from ${method} on ${name}. ${remedy}${roleHint} The SDK reports: ${details}`;
  return new SignerError(wasDamagedInTransit(status, details) ? "integrity" : code, message, { cause });
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

/**
 * Returns the gRPC status and the message. If the SDK's retries are used up, its status is DEADLINE_EXCEEDED, and the
 * actual status is only in the message.
 */
function parseError(error: unknown): { status: number; details: string } {
  const details = redactTokens(error instanceof Error ? error.message : String(error));
  // The SDK reports a private key that OpenSSL can't parse as UNAVAILABLE.
  if (details.includes("DECODER routines"))
    return { status: UNAUTHENTICATED, details: "The private key of the credentials can't be parsed." };
  const retried = /retrying error \w*Error: ((?:(\d+) )?.*?) before any response was received/s.exec(details);
  if (retried) return { status: Number(retried[2] ?? UNAVAILABLE), details: `${retried[1]} (after several attempts)` };
  const status = error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : -1;
  return { status, details };
}

/** Returns whether the service received a digest that doesn't match its checksum. */
function wasDamagedInTransit(status: number, details: string): boolean {
  return status === INVALID_ARGUMENT && /crc32c|checksum/i.test(details);
}

/** Redacts access tokens and JWTs, in case a proxy or a library repeats the request headers. */
function redactTokens(text: string): string {
  return text.replace(/\bya29\.[\w.~+/-]+=*|\bBearer\s+\S+|\beyJ[\w-]+(\.[\w-]*)*/g, "…");
}
