/** What to check when a known library fails: many of them return only CKR_GENERAL_ERROR, whatever the cause is. */
import { returnValue } from "./return-values.js";

interface Hint {
  readonly library: RegExp;
  /** The return values that the hint explains. Default: any. */
  readonly values?: RegExp;
  readonly hint: string;
}

const STARTING: readonly Hint[] = [
  {
    library: /softhsm/i,
    values: /GENERAL_ERROR/,
    hint: "Check that this user can read the configuration and the token directory of SoftHSM (SOFTHSM2_CONF).",
  },
  {
    library: /softokn/i,
    values: /ARGUMENTS_BAD/,
    hint: "NSS needs parameters: set the option libraryParameters, or HARDPROOF_PKCS11_LIBRARY_PARAMETERS.",
  },
];

const USING: readonly Hint[] = [
  {
    library: /ykcs11|opensc/i,
    hint: "Check that pcscd is running (systemctl status pcscd), the reader is connected, and no other program uses the card.",
  },
  {
    library: /opencryptoki/i,
    hint: "Check that pkcsslotd of openCryptoki is running, and that this user is in the group pkcs11.",
  },
];

/**
 * Returns the hint for an error of a library.
 *
 * @param path - The library's path.
 * @param phase - `starting` while the library is being initialised.
 */
export function hintFor(path: string, error: unknown, phase: "starting" | "using"): string | undefined {
  const value = returnValue(error);
  if (value === undefined) return undefined;
  const hints = phase === "starting" ? [...STARTING, ...USING] : USING;
  return hints.find(({ library, values }) => library.test(path) && (values?.test(value) ?? true))?.hint;
}
