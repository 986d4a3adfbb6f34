/**
 * Keys in Azure Key Vault and in managed HSMs. Needs the package `@azure/keyvault-keys`, and `@azure/identity` for the default
 * credential. Both are loaded when a key is first used.
 */
export type { KeyClientOptions, TokenCredential } from "./client.js";
export { type AzureKeyVaultProviderOptions, provider } from "./provider.js";
export { AzureKeyVaultSigner, type AzureKeyVaultSignerOptions } from "./signer.js";
