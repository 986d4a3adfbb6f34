/** DPoP proofs and OAuth tokens, bound to keys that never leave their hardware. Loads no addon and no SDK. */
export type { ClientAuth } from "./client-auth.js";
export { type DPoPFetchOptions, dpopFetch } from "./dpop-fetch.js";
export { DPoPProver, type ProofOptions, type ProverOptions } from "./dpop-prover.js";
export { type EncryptedTokenStoreOptions, encryptedTokenStore } from "./encrypted-token-store.js";
export {
  DPoPError,
  type DPoPErrorCode,
  HardproofError,
  OAuthError,
  type OAuthErrorCode,
  SignerError,
  type SignerErrorCode,
  TokenStoreError,
  type TokenStoreErrorCode,
} from "./errors.js";
export { type ExtraFields, OAuthClient, type OAuthClientOptions, type TokenRequest } from "./oauth-client.js";
export type { Provider } from "./provider.js";
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
export { type TokenSource, type TokenSourceOptions, tokenSource } from "./token-source.js";
export { memoryTokenStore, type StoredToken, type TokenStore } from "./token-store.js";
export type { SignatureTrace, TokenTrace } from "./tracing.js";
