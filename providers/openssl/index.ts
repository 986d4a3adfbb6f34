/** Keys that OpenSSL's providers open, on Node 24.21 and 26.7 or later: `pkcs11:`, a TPM's `handle:`, `aws-kms:`, and others. */
export type { SecretReference, SecretSource } from "../../src/keystore/secret-source.js";
export { provider } from "./provider.js";
export { type OpensslKeyOptions, OpensslSigner, type OpensslSignerOptions } from "./signer.js";
