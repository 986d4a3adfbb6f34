/** Keys in the transit engine of HashiCorp Vault or OpenBao, over HTTPS. Needs no further package. */
export type { AppRoleLogin, KubernetesLogin, LoginOptions } from "./login.js";
export { provider, type VaultProviderOptions } from "./provider.js";
export { VaultSigner, type VaultSignerOptions } from "./signer.js";
