/** gRPC status codes (https://grpc.io/docs/guides/status-codes) as our errors, with what to do. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";

const ROWS: Readonly<Record<string, ErrorRow>> = {
  CANCELLED: ["aborted", "The call was cancelled."],
  UNKNOWN: ["unavailable", "Try again."],
  INVALID_ARGUMENT: ["misconfigured", "The service does not take the name or the request."],
  DEADLINE_EXCEEDED: ["timeout", "Try again, or give more time by `timeout`."],
  NOT_FOUND: ["key-not-found", "Check project, location, key ring, key and version; the case counts."],
  ALREADY_EXISTS: ["misconfigured", "Choose another id, or open the key that is there."],
  PERMISSION_DENIED: ["access-denied", "Grant the caller the role, and let the project use the Cloud KMS API."],
  RESOURCE_EXHAUSTED: ["throttled", "The quota is used up: try again in a moment, or ask for a higher quota."],
  FAILED_PRECONDITION: ["access-denied", "The key version can't be used for this as it is: see its state and purpose."],
  ABORTED: ["unavailable", "Try again."],
  OUT_OF_RANGE: ["misconfigured", "The service does not take the request."],
  UNIMPLEMENTED: ["misconfigured", "What answers there is not Cloud KMS: check the endpoint."],
  INTERNAL: ["unavailable", "Try again."],
  UNAVAILABLE: ["unavailable", "The service can't be reached: check the endpoint and the network, and try again."],
  DATA_LOSS: ["integrity", "The answer was thrown away."],
  UNAUTHENTICATED: ["access-denied", "The credentials are missing, wrong or expired: renew them."],
};
const ERRORS = new ErrorTable(ROWS, ["unavailable", "Try again."]);
/** The rows are in the order of the codes, from 1. */
const NAMES = Object.keys(ROWS);

export const INVALID_ARGUMENT = 3;
export const RESOURCE_EXHAUSTED = 8;
export const FAILED_PRECONDITION = 9;
export const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** What a call was about, for the error's text. */
export interface CallContext {
  /** Such as `AsymmetricSign`. */
  readonly method: string;
  /** The resource that was asked for. */
  readonly name: string;
  /** The role that allows it, for PERMISSION_DENIED. */
  readonly role: string;
}

/** An error of the SDK as one of ours; the gRPC status stays in `cause.code`. */
export function toSignerError(error: unknown, { method, name, role }: CallContext): SignerError {
  const { status, words } = read(error);
  const title = NAMES[status - 1] ?? "An unknown error";
  const [code, remedy] = ERRORS.get(title);
  const cause = Object.assign(new Error(words), { code: status });
  const granted = title === "PERMISSION_DENIED" ? ` The role ${role} is enough.` : "";
  const text = `${title} from ${method} on ${name}. ${remedy}${granted} The SDK says: ${words}`;
  return new SignerError(damagedOnTheWay(status, words) ? "integrity" : code, text, { cause });
}

/** Whether the service may have refused the version itself, because of its state or purpose. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof SignerError) || error.code === "integrity") return false;
  const status = error.cause instanceof Error && "code" in error.cause && error.cause.code;
  return status === FAILED_PRECONDITION || status === INVALID_ARGUMENT;
}

/** When its retries are used up the SDK says DEADLINE_EXCEEDED, and what it retried stands in the text alone. */
function read(error: unknown): { status: number; words: string } {
  const words = withoutTokens(error instanceof Error ? error.message : String(error));
  // OpenSSL's words for a key that is none, which the SDK takes for a service that can't be reached.
  if (words.includes("DECODER routines")) return { status: UNAUTHENTICATED, words: "The private key is not readable." };
  const retried = /retrying error \w*Error: ((?:(\d+) )?.*?) before any response was received/s.exec(words);
  if (retried) return { status: Number(retried[2] ?? UNAVAILABLE), words: `${retried[1]} (after several tries)` };
  const status = error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : -1;
  return { status, words };
}

/** The service's answer to a digest that does not match its checksum. */
function damagedOnTheWay(status: number, words: string): boolean {
  return status === INVALID_ARGUMENT && /crc32c|checksum/i.test(words);
}

/** Access tokens and JWTs, in case a proxy or a library repeats the request's headers. */
function withoutTokens(text: string): string {
  return text.replace(/\bya29\.[\w.~+/-]+=*|\bBearer\s+\S+|\beyJ[\w-]+(\.[\w-]*)*/g, "…");
}
