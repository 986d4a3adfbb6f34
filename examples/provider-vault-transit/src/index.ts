/** Keys in the transit engine of HashiCorp Vault or OpenBao: a third-party provider for Hardproof. */
export { provider, type VaultTransitOptions } from "./provider.js";
export { VaultTransitSigner, type VaultTransitSignerOptions } from "./signer.js";
