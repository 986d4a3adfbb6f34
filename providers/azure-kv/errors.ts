/** Maps the errors of Key Vault, its SDK, the credentials and the network to `SignerError`s. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";
import { readFailure } from "./failure.js";
import { isManagedHsm } from "./key-id.js";

/** An operation of Key Vault, by its name in the API definition. */
export type Operation =
  | "GetKey"
  | "sign"
  | "CreateKey"
  | "GetKeys"
  | "DeleteKey"
  | "GetDeletedKey"
  | "GetKeyAttestation";

const SIGN_IN =
  "Sign in with `az login`, use a managed identity or a workload identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and " +
  "AZURE_CLIENT_SECRET. In code, set the option credential.";
const TOKEN = "The vault doesn't accept the token. Check that the credential belongs to the vault's tenant and cloud.";
const RATE = "Sign less often, spread the keys over several vaults, or use a managed HSM.";
const NOT_ACCEPTED = "Key Vault doesn't accept the request.";
const OTHER_SERVER = "The server isn't a Key Vault. Check the host, and a proxy or login page on the way.";

const ROWS: Readonly<Record<string, ErrorRow>> = {
  KeyNotFound: ["key-not-found", "Check the vault, the name and the version. A deleted key may be recoverable."],
  KeyDisabled: ["access-denied", "Enable the key version, or use another one."],
  KeyExpired: ["access-denied", "Use another version, or extend the validity of this one."],
  KeyNotYetValid: ["access-denied", "Use another version, or change the time from which this one is valid."],
  KeyOperationForbidden: ["wrong-key", "Use a key whose permitted operations (key_ops) include sign."],
  ForbiddenByFirewall: [
    "access-denied",
    "Allow this host's address in the vault's firewall, or use a private endpoint.",
  ],
  ForbiddenByConnection: ["access-denied", "The vault only allows its private endpoints. Connect from their network."],
  ObjectIsDeletedButRecoverable: ["misconfigured", "Recover or purge the deleted key, or choose another name."],
  ObjectIsBeingDeleted: ["misconfigured", "The key is being deleted. Wait, or choose another name."],
  BadParameter: ["misconfigured", NOT_ACCEPTED],

  "HTTP 400": ["misconfigured", NOT_ACCEPTED],
  "HTTP 401": ["access-denied", TOKEN],
  "HTTP 404": ["misconfigured", "The server isn't a Key Vault, or doesn't have the operation."],
  "HTTP 408": ["unavailable", "Try again."],
  "HTTP 409": ["misconfigured", "The name is taken, or another operation on the key is in progress."],
  "HTTP 429": ["throttled", RATE],
  "HTTP 5xx": ["unavailable", "Key Vault could not process the request. Try again later."],

  CredentialUnavailableError: ["access-denied", SIGN_IN],
  AggregateAuthenticationError: ["access-denied", SIGN_IN],
  AuthenticationRequiredError: ["access-denied", SIGN_IN],
  AuthenticationError: ["access-denied", "Check the credential's tenant, client, and secret or certificate."],
  EntraUnavailable: ["unavailable", "Entra could not issue a token. Try again later."],
  OtherTenant: [
    "misconfigured",
    "The vault belongs to another tenant than the credential. Set AZURE_TENANT_ID to the vault's tenant, or allow it in " +
      "AZURE_ADDITIONALLY_ALLOWED_TENANTS. In code, set the option credential, with the tenant in its option " +
      "`additionallyAllowedTenants`.",
  ],
  TimeoutError: ["timeout", "The credential didn't return a token in time."],

  ChallengeMismatch: ["misconfigured", `No token was sent. ${OTHER_SERVER}`],
  NotKeyVaultError: ["misconfigured", OTHER_SERVER],
  Malformed: ["integrity", "The response doesn't describe a key. Check the host, and whether a proxy is in between."],
  PARSE_ERROR: ["unavailable", "The response is incomplete. Try again."],
  Connection: ["unavailable", "Check that this host can reach the vault and Entra, directly or by HTTPS_PROXY."],
  Certificate: ["misconfigured", "If a proxy replaces certificates, name its certificate in NODE_EXTRA_CA_CERTS."],
  NoTls: ["misconfigured", "The server doesn't speak TLS. Check the host and its port."],
  NoHttp: ["misconfigured", OTHER_SERVER],
  ENOTFOUND: ["unavailable", "DNS doesn't know the vault's host name. Check the vault's name and its cloud's domain."],
  EAI_AGAIN: ["unavailable", "The DNS server doesn't respond."],
  AbortError: ["aborted", "The request was aborted."],
};
const ERRORS = new ErrorTable(ROWS, ["unexpected", "See the error's cause."]);
const FORBIDDEN = "HTTP 403";
/** The failures after which the same request may succeed in a moment. */
const TRANSIENT: readonly string[] = [
  "HTTP 408",
  "HTTP 429",
  "HTTP 5xx",
  "Connection",
  "EntraUnavailable",
  "EAI_AGAIN",
  "TimeoutError",
];

const read = (error: unknown) => readFailure(error, (name) => name === FORBIDDEN || ERRORS.has(name));

/** Maps an error of the SDK. Its cause has neither the request nor the response. */
export function toSignerError(error: unknown, operation: Operation, vaultUrl: string): SignerError {
  if (error instanceof SignerError) return error;
  const { name, label, words } = read(error);
  const [code, remedy] = name === FORBIDDEN ? missingPermission(operation, vaultUrl) : ERRORS.get(name);
  const cause = Object.assign(new Error(words), { code: label });
  return new SignerError(code, `${label} from ${operation}: ${words} ${remedy}`, { cause });
}

/** Returns how long to wait before the request is repeated, in milliseconds, or `undefined` if it can't succeed. */
export function retryDelayOf(error: unknown): number | undefined {
  const { name, retryAfter } = read(error);
  return TRANSIENT.includes(name) ? retryAfter : undefined;
}

interface Permission {
  /** The data action of a role, without its prefix. */
  readonly action: string;
  /** The permission in an access policy. */
  readonly policy: string;
  readonly role: string;
}

const READ: Permission = { action: "read", policy: "get", role: "Key Vault Crypto User" };
const PERMISSIONS: Readonly<Record<Operation, Permission>> = {
  GetKey: READ,
  GetKeyAttestation: READ,
  GetDeletedKey: READ,
  GetKeys: { ...READ, policy: "list" },
  sign: { ...READ, action: "sign/action", policy: "sign" },
  DeleteKey: { action: "delete", policy: "delete", role: "Key Vault Crypto Officer" },
  CreateKey: { action: "create/action", policy: "create", role: "Key Vault Crypto Officer" },
};

/** A managed HSM has roles of its own. A vault has either roles or access policies. */
function missingPermission(operation: Operation, vaultUrl: string): ErrorRow {
  const { action, policy, role } = PERMISSIONS[operation];
  if (isManagedHsm(vaultUrl)) {
    const hsmAction = action === "read" ? "read/action" : action.replace("create/action", "create");
    const remedy = `The caller lacks Microsoft.KeyVault/managedHsm/keys/${hsmAction}. Assign it the local role Managed HSM Crypto User.`;
    return ["access-denied", remedy];
  }
  const remedy = `The caller lacks Microsoft.KeyVault/vaults/keys/${action}. Assign it the role ${role}, or the key permission ${policy} if the vault has access policies.`;
  return ["access-denied", `${remedy} An assignment takes effect after some minutes.`];
}
