/** Keys in AWS KMS. Needs the package `@aws-sdk/client-kms`, which is loaded when a key is first used. */
export { type KmsProviderOptions, provider } from "./provider.js";
export { KmsSigner, type KmsSignerOptions } from "./signer.js";
