/** Keys in Google Cloud KMS. Needs the package `@google-cloud/kms`, which is loaded when a key is first used. */
export type { GcpKmsClientConfig } from "./client.js";
export { type GcpKmsProviderOptions, provider } from "./provider.js";
export { GcpKmsSigner, type GcpKmsSignerOptions } from "./signer.js";
