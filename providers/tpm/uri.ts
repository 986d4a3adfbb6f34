/** `tpm:` URIs of keys in a TPM: the attributes of RFC 7512, and the store and TCTI of tpm2-pkcs11. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { UriFailure } from "../../src/keystore/uri.js";
import type { KeySelector, TokenSelector } from "../pkcs11/index.js";
import { formatKeyUri, type KeyUri, readKeyUri } from "../pkcs11/uri.js";

/** The TSS transports that a URI may name. The TSS runs a program for `cmd`, and loads a library for any other name. */
const TRANSPORT = /^(device|tabrmd|swtpm|mssim)(:|$)/;

/** How to reach the TPM. Each value that isn't set has a default. */
export interface TpmAccess {
  /**
   * Directory of the tpm2-pkcs11 database. Default: TPM2_PKCS11_STORE, or else the directory that the library finds.
   */
  store?: string | undefined;
  /** The TCTI, such as `device:/dev/tpmrm0`. Default: TPM2_PKCS11_TCTI, or else the TCTI that the library finds. */
  tcti?: string | undefined;
  /** Path of `libtpm2_pkcs11.so`. Default: it is searched for in the usual directories. */
  module?: string | undefined;
}

/**
 * Parses the URI of a key in a TPM.
 *
 * @param uri - Such as `tpm:token=agents;object=dpop?tcti=device:/dev/tpmrm0&pin-source=/run/secrets/tpm-pin`.
 * @throws {SignerError} With code `misconfigured`. The message names the attribute or the position, but never a value.
 */
export function parseTpmUri(uri: string): KeyUri & TpmAccess {
  const { key, access, fail } = readKeyUri(uri, "tpm", ["store", "tcti", "module-path"]);
  return { ...key, store: access("store"), tcti: checkTcti(access("tcti"), fail), module: access("module-path") };
}

/** Returns the URI without a PIN, such as `tpm:token=agents;object=dpop?tcti=device:/dev/tpmrm0`. */
export function formatTpmUri(
  { store, tcti, module }: TpmAccess,
  token: TokenSelector,
  key: KeySelector,
  algorithm?: AlgorithmName | undefined,
): string {
  return formatKeyUri("tpm", token, key, { store, tcti, "module-path": module, algorithm });
}

function checkTcti(tcti: string | undefined, fail: UriFailure): string | undefined {
  if (tcti === undefined || TRANSPORT.test(tcti)) return tcti;
  throw fail(
    "tcti must be device:…, tabrmd:…, swtpm:… or mssim:… in a URI; set any other one with the option tcti of TpmSigner",
  );
}
