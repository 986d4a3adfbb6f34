/** What AWS KMS, the SDK and the network call their errors, and which of ours they are: one table. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";

/** An operation of KMS; `kms:` and its name is the permission that it needs. */
export type Operation = "GetPublicKey" | "Sign" | "DescribeKey" | "CreateKey" | "CreateAlias" | "ListKeys";

const CREDENTIALS = "Are the AWS credentials there, and still valid?";
const NETWORK = "Can the endpoint be reached from here?";
const AGAIN = "AWS KMS could not do it just now, nor when the SDK asked again.";
const RATE = "The SDK's own retries are used up: sign less often, or raise the account's quota.";
const PUBLIC_HALF = "The key has no public half, so it is symmetric or HMAC. Needed is ECC_NIST_P256 for SIGN_VERIFY.";

const ROWS: Readonly<Record<string, ErrorRow>> = {
  NotFoundException: ["key-not-found", "Are the name (case matters), the region and the account right?"],
  DisabledException: ["access-denied", "The key is disabled: enable it."],
  "KMSInvalidStateException pending deletion": ["access-denied", "The key is about to be deleted: cancel that."],
  "KMSInvalidStateException pending import": ["key-not-found", "Its key material is missing: import it."],
  KMSInvalidStateException: ["unavailable", "The key can't be used yet, or its key store is disconnected."],
  InvalidKeyUsageException: ["wrong-key", "Needed is an ECC_NIST_P256 key for SIGN_VERIFY."],
  UnsupportedOperationException: ["wrong-key", PUBLIC_HALF],

  ThrottlingException: ["throttled", RATE],
  LimitExceededException: ["throttled", RATE],
  TooManyRequestsException: ["throttled", RATE],
  KMSInternalException: ["unavailable", AGAIN],
  DependencyTimeoutException: ["unavailable", AGAIN],
  KeyUnavailableException: ["unavailable", AGAIN],

  CredentialsProviderError: ["access-denied", CREDENTIALS],
  TokenProviderError: ["access-denied", CREDENTIALS],
  ExpiredTokenException: ["access-denied", "The session token has expired: get new credentials."],
  ExpiredToken: ["access-denied", "The session token has expired: get new credentials."],
  UnrecognizedClientException: ["access-denied", CREDENTIALS],
  InvalidClientTokenId: ["access-denied", CREDENTIALS],
  MissingAuthenticationTokenException: ["access-denied", CREDENTIALS],
  MissingAuthenticationToken: ["access-denied", CREDENTIALS],
  InvalidSignatureException: ["access-denied", "Are the secret key, the region and this machine's clock right?"],
  SignatureDoesNotMatch: ["access-denied", "Are the secret key, the region and this machine's clock right?"],
  IncompleteSignatureException: ["access-denied", CREDENTIALS],
  OptInRequired: ["access-denied", "The account is not signed up for AWS KMS in this region."],

  InvalidArnException: ["misconfigured", "The ARN is not what AWS KMS takes."],
  ValidationException: ["misconfigured", "AWS KMS does not take this input."],
  InvalidAliasNameException: ["misconfigured", "AWS KMS does not take this alias."],
  AlreadyExistsException: ["misconfigured", "The alias is taken by another key: choose another one."],
  MalformedPolicyDocumentException: ["misconfigured", "The key policy is not valid, or would lock its maker out."],
  TagException: ["misconfigured", "AWS KMS does not take these tags."],
  "Region is missing": ["misconfigured", "Name the key by its ARN, or give a region, or set AWS_REGION."],

  ENOTFOUND: ["unavailable", "The endpoint's name is not known to DNS: are region and endpoint right?"],
  EAI_AGAIN: ["unavailable", "DNS does not answer."],
  ECONNREFUSED: ["unavailable", NETWORK],
  ECONNRESET: ["unavailable", NETWORK],
  EPIPE: ["unavailable", NETWORK],
  EHOSTUNREACH: ["unavailable", NETWORK],
  ENETUNREACH: ["unavailable", NETWORK],
  ETIMEDOUT: ["timeout", NETWORK],
  TimeoutError: ["timeout", NETWORK],
  AbortError: ["aborted", "The request was cancelled."],
};
const ERRORS = new ErrorTable(ROWS, ["unavailable", "Its cause says more."]);

/**
 * An error of the SDK as one of ours. The cause keeps the service's own words, unless they can repeat a session token
 * (a signature that does not match is answered with the request) or what a credential process was called with.
 */
export function toSignerError(error: unknown, operation: Operation): SignerError {
  const name = nameOf(error);
  const [code, remedy] = name.startsWith("AccessDenied") ? denied(error, operation) : ERRORS.get(name);
  const cause = /signature|^Command failed/i.test(textOf(error)) ? undefined : error;
  return new SignerError(code, `${name} from ${operation}. ${remedy}`, { cause });
}

export function isNotFound(error: unknown): boolean {
  return nameOf(error) === "NotFoundException";
}

/** Whether KMS answered that a key cannot do what was asked: then there is one. */
export function provesKeyExists(error: unknown): boolean {
  return /^(Disabled|KMSInvalidState|InvalidKeyUsage|UnsupportedOperation|KeyUnavailable)Exception/.test(nameOf(error));
}

/** The table's word for it: the system's code before the SDK's name, since that makes one `TimeoutError` of several. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "An error";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (ERRORS.has(code) || (code !== "" && error.name === "Error")) return code;
  const state = /pending (?:replica )?(deletion|import)/.exec(error.message)?.[1];
  if (error.name === "KMSInvalidStateException" && state) return `${error.name} pending ${state}`;
  return ERRORS.has(error.message) ? error.message : error.name;
}

/** Which permission is missing: the service mostly says it, and it need not be the operation's own (`kms:TagResource`). */
function denied(error: unknown, operation: Operation): ErrorRow {
  const permission = /\b(?:kms|iam):[A-Za-z]+\b/.exec(textOf(error))?.[0] ?? `kms:${operation}`;
  return ["access-denied", `The caller lacks ${permission}: allow it in the key's policy or in an IAM policy.`];
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.message} ${error.name}` : "";
}
