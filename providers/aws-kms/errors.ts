/** Maps the errors of AWS KMS, the SDK and the network to `SignerError`s. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";
import { KEY_SPECS, KEY_USAGE } from "./algorithms.js";

/** An operation of AWS KMS. It needs the permission of the same name, such as `kms:Sign`. */
export type Operation = "GetPublicKey" | "Sign" | "DescribeKey" | "CreateKey" | "CreateAlias" | "ListKeys";

const CREDENTIALS = "Check that AWS credentials are configured and still valid.";
const EXPIRED = "The session token has expired. Get new credentials.";
const SIGNATURE = "Check the secret access key, the region and the clock of this host.";
const NETWORK = "Check that this host can reach the endpoint.";
const SERVER = "AWS KMS could not process the request, and the SDK's retries are used up. Try again later.";
const RATE = "The SDK's retries are used up. Sign less often, or raise the account's quota.";
const KEY_TYPE = `Use a key for ${KEY_USAGE} with one of the key specs ${KEY_SPECS.join(", ")}.`;

const ROWS: Readonly<Record<string, ErrorRow>> = {
  NotFoundException: ["key-not-found", "Check the name (it is case-sensitive), the region and the account."],
  DisabledException: ["access-denied", "The key is disabled. Enable it."],
  "KMSInvalidStateException pending deletion": ["access-denied", "The key is pending deletion. Cancel the deletion."],
  "KMSInvalidStateException pending import": ["key-not-found", "The key doesn't have key material. Import it."],
  KMSInvalidStateException: ["unavailable", "The key is still being created, or its key store is disconnected."],
  InvalidKeyUsageException: ["wrong-key", KEY_TYPE],
  UnsupportedOperationException: ["wrong-key", `The key is symmetric, so it doesn't have a public key. ${KEY_TYPE}`],

  ThrottlingException: ["throttled", RATE],
  LimitExceededException: ["throttled", RATE],
  TooManyRequestsException: ["throttled", RATE],
  KMSInternalException: ["unavailable", SERVER],
  DependencyTimeoutException: ["unavailable", SERVER],
  KeyUnavailableException: ["unavailable", SERVER],

  CredentialsProviderError: ["access-denied", CREDENTIALS],
  TokenProviderError: ["access-denied", CREDENTIALS],
  ExpiredTokenException: ["access-denied", EXPIRED],
  ExpiredToken: ["access-denied", EXPIRED],
  UnrecognizedClientException: ["access-denied", CREDENTIALS],
  InvalidClientTokenId: ["access-denied", CREDENTIALS],
  MissingAuthenticationTokenException: ["access-denied", CREDENTIALS],
  MissingAuthenticationToken: ["access-denied", CREDENTIALS],
  InvalidSignatureException: ["access-denied", SIGNATURE],
  SignatureDoesNotMatch: ["access-denied", SIGNATURE],
  IncompleteSignatureException: ["access-denied", CREDENTIALS],
  OptInRequired: ["access-denied", "The account is not signed up for AWS KMS in this region."],

  InvalidArnException: ["misconfigured", "AWS KMS doesn't accept the ARN."],
  ValidationException: ["misconfigured", "AWS KMS doesn't accept the parameters."],
  InvalidAliasNameException: ["misconfigured", "AWS KMS doesn't accept the alias."],
  AlreadyExistsException: ["misconfigured", "The alias is taken by another key. Choose another alias."],
  MalformedPolicyDocumentException: ["misconfigured", "The key policy is invalid, or would lock out the caller."],
  TagException: ["misconfigured", "AWS KMS doesn't accept the tags."],
  "Region is missing": ["misconfigured", "Use the key's ARN, add region=… to the URI, or set AWS_REGION."],

  ENOTFOUND: ["unavailable", "DNS doesn't know the endpoint's host name. Check region and endpoint."],
  EAI_AGAIN: ["unavailable", "The DNS server doesn't respond."],
  ECONNREFUSED: ["unavailable", NETWORK],
  ECONNRESET: ["unavailable", NETWORK],
  EPIPE: ["unavailable", NETWORK],
  EHOSTUNREACH: ["unavailable", NETWORK],
  ENETUNREACH: ["unavailable", NETWORK],
  ETIMEDOUT: ["timeout", NETWORK],
  TimeoutError: ["timeout", NETWORK],
  AbortError: ["aborted", "The request was aborted."],
};
const ERRORS = new ErrorTable(ROWS, ["unavailable", "See the error's cause."]);

/**
 * Maps an error of the SDK. The cause is omitted if its message can contain a secret: the service responds to a wrong
 * signature with the whole request, including the session token, and the SDK reports a failed credential process with
 * its arguments.
 */
export function toSignerError(error: unknown, operation: Operation): SignerError {
  const name = nameOf(error);
  const [code, remedy] = name.startsWith("AccessDenied") ? accessDenied(error, operation) : ERRORS.get(name);
  const cause = /signature|^Command failed/i.test(textOf(error)) ? undefined : error;
  return new SignerError(code, `${name} from ${operation}. ${remedy}`, { cause });
}

/** Returns whether AWS KMS didn't find the key. */
export function isNotFound(error: unknown): boolean {
  return nameOf(error) === "NotFoundException";
}

/** Returns whether the error means that the key exists, but can't be used for the request. */
export function provesKeyExists(error: unknown): boolean {
  return /^(Disabled|KMSInvalidState|InvalidKeyUsage|UnsupportedOperation|KeyUnavailable)Exception/.test(nameOf(error));
}

/**
 * Returns the name in the table. A system error code takes precedence, since the SDK calls several of them
 * `TimeoutError`.
 */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "An error";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (ERRORS.has(code) || (code !== "" && error.name === "Error")) return code;
  const state = /pending (?:replica )?(deletion|import)/.exec(error.message)?.[1];
  if (error.name === "KMSInvalidStateException" && state) return `${error.name} pending ${state}`;
  return ERRORS.has(error.message) ? error.message : error.name;
}

/** The service usually names the missing permission. It can differ from the operation's, such as `kms:TagResource`. */
function accessDenied(error: unknown, operation: Operation): ErrorRow {
  const permission = /\b(?:kms|iam):[A-Za-z]+\b/.exec(textOf(error))?.[0] ?? `kms:${operation}`;
  return ["access-denied", `The caller lacks ${permission}. Allow it in the key policy or in an IAM policy.`];
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.name}` : "";
}
