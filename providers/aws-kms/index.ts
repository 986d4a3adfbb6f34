/** Keys in AWS KMS. Needs the package `@aws-sdk/client-kms`, which is loaded at the first use of a key. */
export { type KmsCreateOptions, provider } from "./provider.js";
export { KmsSigner, type KmsSignerOptions } from "./signer.js";
