/** Keys in Google Cloud KMS. Needs the package `@google-cloud/kms`, which is loaded at the first use of a key. */
export type { KmsClient, KmsClientOptions } from "./client.js";
export { type GcpKmsProviderOptions, provider } from "./provider.js";
export { GcpKmsSigner, type GcpKmsSignerOptions } from "./signer.js";
