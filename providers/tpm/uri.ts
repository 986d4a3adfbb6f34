/** URIs of keys in a TPM: the attributes of RFC 7512, and the store and TCTI of tpm2-pkcs11. */
import type { UriFailure } from "../../src/keystore/uri.js";
import type { KeySelector, TokenSelector } from "../pkcs11/index.js";
import { type KeyUri, readKeyUri, writeKeyUri } from "../pkcs11/uri.js";

/** The transports of the TSS that a URI may name: another name would be a library to load, and `cmd` a program to run. */
const TRANSPORT = /^(device|tabrmd|swtpm|mssim)(:|$)/;

/** Where tpm2-pkcs11 is and what it speaks to; what is left out is as the environment says. */
export interface TpmAccess {
  /** Directory of tpm2-pkcs11's database. Default: what TPM2_PKCS11_STORE says, or else the library's own search. */
  store?: string | undefined;
  /** How to reach the TPM, such as `device:/dev/tpmrm0`. Default: what TPM2_PKCS11_TCTI says, or else the library's own search. */
  tcti?: string | undefined;
  /** Path of `libtpm2_pkcs11.so`, where it is in no usual place. */
  module?: string | undefined;
}

/**
 * @param uri - such as `tpm:token=agents;object=dpop?tcti=device:/dev/tpmrm0&pin-source=/run/secrets/tpm-pin`
 * @throws {SignerError} code `misconfigured`, naming the attribute or the character that is wrong, never a value
 */
export function parseTpmUri(uri: string): KeyUri & TpmAccess {
  const { said, access, fail } = readKeyUri(uri, "tpm", ["store", "tcti", "module-path"]);
  return { ...said, store: access("store"), tcti: tctiOf(access("tcti"), fail), module: access("module-path") };
}

/** @returns the URI without any PIN, such as `tpm:token=agents;object=dpop?tcti=device:/dev/tpmrm0` */
export function formatTpmUri({ store, tcti, module }: TpmAccess, token: TokenSelector, key: KeySelector): string {
  return writeKeyUri("tpm", token, key, { store, tcti, "module-path": module });
}

function tctiOf(tcti: string | undefined, fail: UriFailure): string | undefined {
  if (tcti === undefined || TRANSPORT.test(tcti)) return tcti;
  throw fail("tcti must be device:…, tabrmd:…, swtpm:… or mssim:…; anything else is an option of TpmSigner.");
}
