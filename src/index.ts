/** DPoP proofs and OAuth tokens, bound to keys that never leave their hardware. Loads no addon and no SDK. */
export type { ClientAuth } from "./client-auth.js";
export { DPoPProver, type ProofOptions, type ProverOptions } from "./dpop-prover.js";
export {
  DPoPError,
  type DPoPErrorCode,
  HardproofError,
  OAuthError,
  type OAuthErrorCode,
  SignerError,
  type SignerErrorCode,
} from "./errors.js";
export { loadProviders } from "./load-providers.js";
export { type ExtraFields, OAuthClient, type OAuthClientOptions, type TokenRequest } from "./oauth-client.js";
export { createKey, listKeys, openSigner, type Provider, type ProviderOptions, registerProvider } from "./provider.js";
export { type KeyRequirement, requireNonExportable } from "./requirement.js";
export {
  type KeyDescription,
  type KeyFacts,
  KeySigner,
  type KeySignerOptions,
  type KeySource,
  type OpenKey,
  type OpenKeyOptions,
  type PublicJwk,
  type Signer,
  type SignOptions,
  type StoreSignature,
} from "./signer.js";
export { Token } from "./token.js";
