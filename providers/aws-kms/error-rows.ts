/** What the errors of AWS KMS, the SDK and the network mean, by their names. */
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";
import { KEY_SPECS, KEY_USAGE } from "./algorithms.js";

const CREDENTIALS = "Check that AWS credentials are configured and still valid.";
const EXPIRED = "The session token has expired. Get new credentials.";
const SIGNATURE = "Check the secret access key, the region and the clock of this host.";
const CLOCK = "Set the clock of this host (NTP).";
const NETWORK = "Check that this host can reach the endpoint.";
const SERVER = "AWS KMS could not process the request, and the SDK's retries are used up. Try again later.";
const RATE = "The SDK's retries are used up. Sign less often, or raise the account's quota.";
const KEY_TYPE = `Use a key for ${KEY_USAGE} with one of the key specs ${KEY_SPECS.join(", ")}.`;
const CONFIGURATION = "Correct the options, the environment variables or the profile.";
const UNKNOWN = "This version of Hardproof doesn't know this error.";

const ROWS: Readonly<Record<string, ErrorRow>> = {
  NotFoundException: ["key-not-found", "Check the name (it is case-sensitive), the region and the account."],
  DisabledException: ["access-denied", "Enable the key."],
  "KMSInvalidStateException: pending deletion": ["access-denied", "Cancel the deletion of the key."],
  "KMSInvalidStateException: pending import": ["key-not-found", "Import the key material."],
  KMSInvalidStateException: ["unavailable", "The key is still being created, or its key store is disconnected."],
  InvalidKeyUsageException: ["wrong-key", KEY_TYPE],
  UnsupportedOperationException: ["wrong-key", `The key is symmetric, so it doesn't have a public key. ${KEY_TYPE}`],

  ThrottlingException: ["throttled", RATE],
  Throttling: ["throttled", RATE],
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
  InvalidIdentityTokenException: ["access-denied", CREDENTIALS],
  InvalidIdentityToken: ["access-denied", CREDENTIALS],
  MissingAuthenticationTokenException: ["access-denied", CREDENTIALS],
  MissingAuthenticationToken: ["access-denied", CREDENTIALS],
  InvalidSignatureException: ["access-denied", SIGNATURE],
  SignatureDoesNotMatch: ["access-denied", SIGNATURE],
  "InvalidSignatureException: Signature expired": ["access-denied", CLOCK],
  "InvalidSignatureException: Signature not yet current": ["access-denied", CLOCK],
  RequestExpired: ["access-denied", CLOCK],
  RequestTimeTooSkewed: ["access-denied", CLOCK],
  IncompleteSignatureException: ["access-denied", CREDENTIALS],
  OptInRequired: ["access-denied", "The account is not signed up for AWS KMS in this region."],

  InvalidArnException: ["misconfigured", "AWS KMS doesn't accept the ARN."],
  ValidationException: ["misconfigured", "AWS KMS doesn't accept the parameters."],
  InvalidAliasNameException: ["misconfigured", "AWS KMS doesn't accept the alias."],
  AlreadyExistsException: ["misconfigured", "The alias is taken by another key. Choose another alias."],
  MalformedPolicyDocumentException: ["misconfigured", "The key policy is invalid, or would lock out the caller."],
  TagException: ["misconfigured", "AWS KMS doesn't accept the tags."],
  "Region is missing": [
    "misconfigured",
    "Use the key's ARN, set the option region (in a URI: ?region=…), or set AWS_REGION.",
  ],
  // Such as FIPS together with an endpoint.
  EndpointError: ["misconfigured", CONFIGURATION],
  ERR_INVALID_URL: ["misconfigured", CONFIGURATION],
  UnknownOperationException: ["misconfigured", "The server doesn't support this operation. Check the endpoint."],

  ENOTFOUND: ["unavailable", "DNS doesn't know the endpoint's host name. Check region and endpoint."],
  EAI_AGAIN: ["unavailable", "The DNS server doesn't respond."],
  ETIMEDOUT: ["timeout", NETWORK],
  TimeoutError: ["timeout", NETWORK],
  AbortError: ["aborted", "The request was aborted."],
};
/** The errors by the name of an exception, the code of a system error, or the SDK's message. */
export const ERRORS = new ErrorTable(ROWS, ["unexpected", UNKNOWN]);
/** A system error of the network that has no row of its own. */
export const NETWORK_ERROR: ErrorRow = ["unavailable", NETWORK];
/** An error of TLS, or of a server that doesn't speak HTTP. */
export const TLS_ERROR: ErrorRow = [
  "misconfigured",
  "Check the endpoint. If a proxy inspects TLS, set NODE_EXTRA_CA_CERTS to the file with its certificate authority.",
];
/** A file with credentials that can't be read, such as a web identity token. */
export const FILE_ERROR: ErrorRow = ["access-denied", "Check the file that the environment or the profile names."];
/** A server with credentials that can't be reached, such as that of the instance metadata. */
export const SOURCE_ERROR: ErrorRow = [
  "unavailable",
  "Try again if this host gets its credentials from AWS. Otherwise, configure credentials.",
];
