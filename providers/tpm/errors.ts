/** Remedies for the errors of tpm2-pkcs11, which reports most problems only as CKR_GENERAL_ERROR. */
import { SignerError } from "../../src/errors.js";

/** The name of the library for `module-name` (RFC 7512 §2.3). */
export const LIBRARY = "tpm2_pkcs11";

const INSTALL =
  "Install tpm2-pkcs11: apt-get install libtpm2-pkcs11-1 (Debian, Ubuntu), dnf install tpm2-pkcs11 (Fedora).";
const CHECK_DEVICE =
  "Check that /dev/tpmrm0 exists, that this user may open it (group tss), and that tcti and store are correct.";

/** Rethrows an error, with a remedy if the library wasn't found or the TPM couldn't be reached. */
export function rethrowWithRemedy(error: unknown): never {
  if (!(error instanceof SignerError)) throw error;
  const remedy = remedyFor(error);
  if (remedy === undefined) throw error;
  const { code, message, uri, cause } = error;
  throw new SignerError(code, `${message} ${remedy}`, { uri, cause });
}

function remedyFor({ code, message }: SignerError): string | undefined {
  if (code === "misconfigured" && message.includes(`"${LIBRARY}"`)) return INSTALL;
  return code === "unavailable" ? CHECK_DEVICE : undefined;
}
