/** Keys in the transit engine of HashiCorp Vault or OpenBao: a provider for Hardproof by a third party. */
export { provider, type VaultTransitOptions } from "./provider.js";
export { VaultTransitSigner, type VaultTransitSignerOptions } from "./signer.js";
