/**
 * Keys in a TPM 2.0, through tpm2-pkcs11. Needs the package `graphene-pk11` or `koffi`, which is loaded when a key is first
 * used.
 */
export { provider, type TpmProviderOptions } from "./provider.js";
export { TpmSigner, type TpmSignerOptions } from "./signer.js";
export type { TpmAccess } from "./uri.js";
