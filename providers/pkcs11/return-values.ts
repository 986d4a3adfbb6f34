/** The return values of PKCS#11 functions (PKCS #11 v2.40, `CK_RV`): their names, and the `SignerError` for each. */
import { SignerError } from "../../src/errors.js";
import { type ErrorRow, ErrorTable } from "../../src/keystore/error-table.js";

/** Each entry is the value in hex and the name without `CKR_`. */
const NAMES: ReadonlyMap<number, string> = new Map(
  `
  0:OK 1:CANCEL 2:HOST_MEMORY 3:SLOT_ID_INVALID 5:GENERAL_ERROR 6:FUNCTION_FAILED 7:ARGUMENTS_BAD
  9:NEED_TO_CREATE_THREADS a:CANT_LOCK 10:ATTRIBUTE_READ_ONLY 11:ATTRIBUTE_SENSITIVE 12:ATTRIBUTE_TYPE_INVALID
  13:ATTRIBUTE_VALUE_INVALID 1b:ACTION_PROHIBITED 20:DATA_INVALID 21:DATA_LEN_RANGE 30:DEVICE_ERROR
  31:DEVICE_MEMORY 32:DEVICE_REMOVED 50:FUNCTION_CANCELED 54:FUNCTION_NOT_SUPPORTED 60:KEY_HANDLE_INVALID
  62:KEY_SIZE_RANGE 63:KEY_TYPE_INCONSISTENT 65:KEY_CHANGED 68:KEY_FUNCTION_NOT_PERMITTED 70:MECHANISM_INVALID
  71:MECHANISM_PARAM_INVALID 82:OBJECT_HANDLE_INVALID 90:OPERATION_ACTIVE 91:OPERATION_NOT_INITIALIZED
  a0:PIN_INCORRECT a1:PIN_INVALID a2:PIN_LEN_RANGE a3:PIN_EXPIRED a4:PIN_LOCKED b0:SESSION_CLOSED
  b1:SESSION_COUNT b3:SESSION_HANDLE_INVALID b4:SESSION_PARALLEL_NOT_SUPPORTED b5:SESSION_READ_ONLY
  b6:SESSION_EXISTS b7:SESSION_READ_ONLY_EXISTS b8:SESSION_READ_WRITE_SO_EXISTS d0:TEMPLATE_INCOMPLETE
  d1:TEMPLATE_INCONSISTENT e0:TOKEN_NOT_PRESENT e1:TOKEN_NOT_RECOGNIZED e2:TOKEN_WRITE_PROTECTED
  100:USER_ALREADY_LOGGED_IN 101:USER_NOT_LOGGED_IN 102:USER_PIN_NOT_INITIALIZED 103:USER_TYPE_INVALID
  104:USER_ANOTHER_ALREADY_LOGGED_IN 105:USER_TOO_MANY_TYPES 130:DOMAIN_PARAMS_INVALID 140:CURVE_NOT_SUPPORTED
  150:BUFFER_TOO_SMALL 190:CRYPTOKI_NOT_INITIALIZED 191:CRYPTOKI_ALREADY_INITIALIZED 1a0:MUTEX_BAD
  1a1:MUTEX_NOT_LOCKED 1b6:FIPS_SELF_TEST_FAILED 1b7:LIBRARY_LOAD_FAILED 1b8:PIN_TOO_WEAK
  200:FUNCTION_REJECTED
  `
    .trim()
    .split(/\s+/)
    .map((entry) => entry.split(":") as [string, string])
    .map(([value, name]) => [Number.parseInt(value, 16), `CKR_${name}`]),
);

/** A PKCS#11 function didn't return `CKR_OK`. The message is the return value's name. */
export class Pkcs11Error extends Error {
  override readonly name = "Pkcs11Error";
  /** The return value. */
  readonly code: number;

  constructor(code: number) {
    super(returnValueName(code));
    this.code = code;
  }
}

/** Returns `CKR_DEVICE_ERROR`, or `CKR 0x8000001a` for a value that the standard doesn't name. */
function returnValueName(code: number): string {
  return NAMES.get(code) ?? `CKR 0x${code.toString(16).padStart(8, "0")}`;
}

/** Returns the name of the return value (`CKR_…`), or `undefined` for any other error. */
export function returnValue(error: unknown): string | undefined {
  return error instanceof Pkcs11Error ? error.message : undefined;
}

/** The request itself is wrong for this token, so repeating it can't help. */
const REFUSED_REQUESTS = `
  ARGUMENTS_BAD ATTRIBUTE_SENSITIVE ATTRIBUTE_TYPE_INVALID ATTRIBUTE_VALUE_INVALID BUFFER_TOO_SMALL CANT_LOCK
  CURVE_NOT_SUPPORTED DATA_INVALID DATA_LEN_RANGE DOMAIN_PARAMS_INVALID FUNCTION_NOT_SUPPORTED FUNCTION_REJECTED
  KEY_SIZE_RANGE MECHANISM_PARAM_INVALID TEMPLATE_INCOMPLETE TEMPLATE_INCONSISTENT USER_TYPE_INVALID
  `
  .trim()
  .split(/\s+/)
  .map((name): [string, ErrorRow] => [`CKR_${name}`, ["unexpected", "The token doesn't support this request."]]);

const ERRORS = new ErrorTable(
  {
    ...Object.fromEntries(REFUSED_REQUESTS),
    CKR_PIN_INCORRECT: ["pin-incorrect", "The PIN is wrong. It was tried once; this process doesn't try it again."],
    CKR_PIN_LEN_RANGE: ["pin-incorrect", "The PIN has a length that the token doesn't accept."],
    CKR_PIN_INVALID: ["pin-incorrect", "The PIN contains characters that the token doesn't accept."],
    CKR_PIN_LOCKED: ["pin-locked", "The security officer must unlock the PIN."],
    CKR_PIN_EXPIRED: ["pin-locked", "The PIN has expired: set a new one with the vendor's tool."],
    CKR_USER_PIN_NOT_INITIALIZED: [
      "pin-required",
      "The token doesn't have a user PIN yet: set one with the vendor's tool.",
    ],
    CKR_USER_NOT_LOGGED_IN: ["pin-required", "The key requires a login: set the option pin."],
    CKR_USER_TOO_MANY_TYPES: [
      "access-denied",
      "Another user is logged in to the token: log that user out, or close the program.",
    ],
    CKR_USER_ANOTHER_ALREADY_LOGGED_IN: [
      "access-denied",
      "Another user is logged in to the token: log that user out, or close the program.",
    ],
    CKR_KEY_FUNCTION_NOT_PERMITTED: ["wrong-key", "The key isn't allowed to sign (CKA_SIGN)."],
    CKR_KEY_TYPE_INCONSISTENT: ["wrong-key", "The key's type doesn't fit the mechanism."],
    CKR_MECHANISM_INVALID: ["wrong-key", "The token doesn't support the mechanism."],
    CKR_TOKEN_WRITE_PROTECTED: ["access-denied", "The token is write-protected."],
    CKR_SESSION_READ_ONLY: ["access-denied", "The token can only be opened for reading."],
    CKR_ATTRIBUTE_READ_ONLY: ["access-denied", "The token doesn't allow this attribute to be set."],
    CKR_ACTION_PROHIBITED: ["access-denied", "The token's policy forbids the operation."],
    CKR_SESSION_COUNT: [
      "throttled",
      "All sessions of the token are in use: lower the option sessions, or close other programs.",
    ],
    CKR_FUNCTION_CANCELED: ["aborted", "The operation was cancelled at the token."],
  },
  ["unavailable", "Check that the token is connected and that its server is running."],
);

/**
 * Maps a return value to a `SignerError`. Returns any other error unchanged.
 *
 * @param operation - What was being done, such as `opening the key`.
 * @param hint - What else to check if the token is unavailable or doesn't support the request.
 */
export function toSignerError(error: unknown, operation: string, hint?: string): unknown {
  const name = returnValue(error);
  if (name === undefined) return error;
  const [code, remedy] = ERRORS.get(name);
  const message = `${name} while ${operation}. ${remedy}`;
  const needsHint = hint !== undefined && (code === "unavailable" || code === "unexpected");
  return new SignerError(code, needsHint ? `${message} ${hint}` : message, { cause: error });
}
