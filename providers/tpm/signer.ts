/** A signer whose key is in a TPM 2.0: the PKCS#11 code over tpm2-pkcs11, one operation at a time. */
import { SignerError } from "../../src/errors.js";
import { KeySigner } from "../../src/keystore/key-signer.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { Pkcs11Key } from "../pkcs11/open-key.js";
import { checkOptions, type Pkcs11SignerOptions } from "../pkcs11/signer.js";
import type { KeyOnToken } from "../pkcs11/token-use.js";
import { formatTpmUri, type TpmAccess } from "./uri.js";

/** A process uses one store and one TCTI at a time. */
export interface TpmSignerOptions
  extends Omit<Pkcs11SignerOptions, "module" | "libraryParameters" | "sessions">,
    TpmAccess {}

/** The library's name, as `module-name` has it. */
const LIBRARY = "tpm2_pkcs11";

/**
 * ES256 by `CKM_ECDSA` over the SHA-256 digest, off the event loop.
 *
 * @example
 * ```ts
 * const signer = new TpmSigner({ token: "agents", key: "dpop", pin: { file: "/run/secrets/tpm-pin" } });
 * ```
 */
export class TpmSigner extends KeySigner {
  /** @throws {SignerError} code `misconfigured` if an option can't be right */
  constructor(options: TpmSignerOptions) {
    const wanted = checkTpmOptions(options);
    const uri = formatTpmUri(options, wanted.token, wanted.key);
    super({ provider: "tpm", uri, open: (deadline) => openTpmKey(wanted, deadline).catch(withRemedy) }, options);
  }
}

/** @throws {SignerError} code `misconfigured` if an option can't be right */
export function checkTpmOptions({ module = LIBRARY, store, tcti, ...options }: TpmSignerOptions): KeyOnToken {
  const environment = { TPM2_PKCS11_STORE: store, TPM2_PKCS11_TCTI: tcti };
  return { ...checkOptions({ ...options, module }), environment };
}

/** The option may name any PKCS#11 library: what is no TPM's must not pass as one. */
async function openTpmKey(wanted: KeyOnToken, deadline: OpenKeyOptions): Promise<OpenKey> {
  const key = await Pkcs11Key.open(wanted, deadline);
  try {
    const { protection } = await key.describe(deadline);
    if (protection === "tpm") return key;
    const problem = `${wanted.module} does not say that it speaks to a TPM. Use hardproof/pkcs11 with it.`;
    throw new SignerError("misconfigured", problem);
  } catch (error) {
    await key.close();
    throw error;
  }
}

const INSTALL = "For tpm2-pkcs11: apt-get install libtpm2-pkcs11-1 (Debian, Ubuntu), dnf install tpm2-pkcs11 (Fedora).";
const LOOK = "For a TPM: is /dev/tpmrm0 there, may this user open it (group tss), and are tcti and store right?";

/** The library says no more than CKR_GENERAL_ERROR, whatever is missing. */
export function withRemedy(error: unknown): never {
  if (!(error instanceof SignerError)) throw error;
  const missing = error.code === "misconfigured" && error.message.includes(`"${LIBRARY}"`);
  const hint = missing ? INSTALL : error.code === "unavailable" ? LOOK : undefined;
  if (hint === undefined) throw error;
  const { code, uri, cause } = error;
  throw new SignerError(code, `${error.message} ${hint}`, { uri, cause });
}
