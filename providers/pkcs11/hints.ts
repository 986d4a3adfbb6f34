/** What else to check when a certain library fails: many return nothing but CKR_GENERAL_ERROR, whatever is missing. */
import { returnValue } from "./return-values.js";

interface Hint {
  readonly library: RegExp;
  /** The return values that it explains; any if left out. */
  readonly values?: RegExp;
  readonly hint: string;
}

const STARTING: readonly Hint[] = [
  {
    library: /softhsm/i,
    values: /GENERAL_ERROR/,
    hint: "For SoftHSM: may this user read its configuration and token directory (SOFTHSM2_CONF)?",
  },
  {
    library: /softokn/i,
    values: /ARGUMENTS_BAD/,
    hint: "NSS needs libraryParameters: set the option, or HARDPROOF_PKCS11_LIBRARY_PARAMETERS.",
  },
];

const USING: readonly Hint[] = [
  {
    library: /ykcs11|opensc/i,
    hint: "Is pcscd running (systemctl status pcscd), is the reader connected, and does no other program hold the card?",
  },
  {
    library: /opencryptoki/i,
    hint: "For openCryptoki: is pkcsslotd running, and is this user in the group pkcs11?",
  },
];

/** @param phase - `starting` while the library is initialised. */
export function hintFor(path: string, error: unknown, phase: "starting" | "using"): string | undefined {
  const value = returnValue(error);
  if (value === undefined) return undefined;
  const hints = phase === "starting" ? [...STARTING, ...USING] : USING;
  return hints.find(({ library, values }) => library.test(path) && (values?.test(value) ?? true))?.hint;
}
