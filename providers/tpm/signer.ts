/** A signer whose key is in a TPM 2.0. Uses the PKCS#11 code with tpm2-pkcs11, one operation at a time. */
import { SignerError } from "../../src/errors.js";
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner } from "../../src/keystore/key-signer.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { isInTpm } from "../pkcs11/evidence.js";
import { Pkcs11Key } from "../pkcs11/open-key.js";
import { checkOptions, type Pkcs11SignerOptions } from "../pkcs11/signer.js";
import type { KeyOnToken } from "../pkcs11/token-use.js";
import { LIBRARY, rethrowWithRemedy } from "./errors.js";
import { formatTpmUri, type TpmAccess } from "./uri.js";

/** Options of {@link TpmSigner}. A process can use one `store` and one `tcti` at a time, unless `isolate` is set. */
export interface TpmSignerOptions
  extends Omit<Pkcs11SignerOptions, "module" | "libraryParameters" | "environment" | "sessions">,
    TpmAccess {}

/**
 * Signs with a key in a TPM, on a worker thread.
 *
 * @example
 * ```ts
 * const signer = new TpmSigner({ token: "agents", key: "dpop", pin: { file: "/run/secrets/tpm-pin" } });
 * ```
 */
export class TpmSigner extends KeySigner {
  /**
   * Validates the options. Doesn't do any I/O: the key is opened when it is first used.
   *
   * @throws {SignerError} With code `misconfigured` if an option is invalid.
   */
  constructor(options: TpmSignerOptions) {
    const key = checkTpmOptions(options);
    const uri = formatTpmUri(options, key.token, key.key, key.algorithm);
    super({ provider: "tpm", uri, open: (deadline) => openTpmKey(key, deadline).catch(rethrowWithRemedy) }, options);
  }
}

/**
 * Validates the options, and completes them for the PKCS#11 code.
 *
 * @throws {SignerError} With code `misconfigured` if an option is invalid.
 */
export function checkTpmOptions(tpmOptions: TpmSignerOptions): KeyOnToken {
  const { module = LIBRARY, store, tcti, ...options } = assertObject(tpmOptions, "The options of TpmSigner");
  const environment = { TPM2_PKCS11_STORE: store, TPM2_PKCS11_TCTI: tcti };
  return { ...checkOptions({ ...options, module }), libraryParameters: undefined, environment };
}

/** Opens the key, and checks that it is in a TPM: the option `module` may name any PKCS#11 library. */
async function openTpmKey(location: KeyOnToken, deadline: OpenKeyOptions): Promise<OpenKey> {
  const key = await Pkcs11Key.open(location, deadline);
  try {
    if (isInTpm(await key.describe(deadline))) return key;
    const message = `${location.module} doesn't report that it uses a TPM. Use hardproof/pkcs11 with this library.`;
    throw new SignerError("misconfigured", message);
  } catch (error) {
    await key.close();
    throw error;
  }
}
