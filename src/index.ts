/** DPoP proofs and OAuth tokens, bound to keys that never leave their hardware. Loads no addon and no SDK. */

export type { AuthorizationCodeRequest } from "./authorization-callback.js";
export type { AuthorizationUrlRequest, PendingAuthorization } from "./authorization-request.js";
export type { AssertionKey } from "./client-assertion.js";
export type { ClientAuth, PrivateKeyJwt } from "./client-auth.js";
export type { DeviceAuthorization } from "./device-authorization.js";
export { type DPoPFetchOptions, dpopFetch } from "./dpop-fetch.js";
export { DPoPProver, type ProofOptions, type ProverOptions } from "./dpop-prover.js";
export { type EncryptedTokenStoreOptions, encryptedTokenStore } from "./encrypted-token-store.js";
export type { EndpointName } from "./endpoints.js";
export {
  DPoPError,
  type DPoPErrorCode,
  HardproofError,
  OAuthError,
  type OAuthErrorCode,
  type OAuthErrorOptions,
  SignerError,
  type SignerErrorCode,
  TokenStoreError,
  type TokenStoreErrorCode,
} from "./errors.js";
export type { AssertionToSign, JwtBearerRequest } from "./jwt-bearer.js";
export { loadProviders } from "./load-providers.js";
export {
  type DeviceCodeRequest,
  type DiscoverOptions,
  OAuthClient,
  type OAuthClientOptions,
  type RefreshRequest,
} from "./oauth-client.js";
export { type PkcePair, pkcePair } from "./pkce.js";
export {
  createKey,
  diagnoseKey,
  type Finding,
  listKeys,
  openSigner,
  type Provider,
  type ProviderOptions,
  registerProvider,
} from "./provider.js";
export { type KeyRequirement, requireNonExportable } from "./requirement.js";
export type { ServerMetadata } from "./server-metadata.js";
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
export type { TokenExchangeRequest, TokenType } from "./token-exchange.js";
export type { ExtraFields, FormValue, GrantRequest, TokenRequest } from "./token-request.js";
export { type TokenSource, type TokenSourceOptions, tokenSource } from "./token-source.js";
export type { Introspection, TokenStatusRequest } from "./token-status.js";
export { memoryTokenStore, type StoredToken, type TokenStore } from "./token-store.js";
export type { SignatureTrace, TokenTrace } from "./tracing.js";
