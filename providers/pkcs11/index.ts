/** Keys on PKCS#11 tokens. Needs the package `graphene-pk11` or `koffi`, which is loaded when a key is first used. */
export { pkcs11KeyPem } from "./key-pem.js";
export type { KeySelector } from "./objects.js";
export type { PinSource } from "./pin.js";
export { deleteKey, type Pkcs11ProviderOptions, provider } from "./provider.js";
export { Pkcs11Signer, type Pkcs11SignerOptions, type Pkcs11TokenOptions } from "./signer.js";
export type { TokenSelector } from "./token.js";
