/** DPoP proofs and OAuth tokens, bound to keys that never leave their hardware. Loads no addon and no SDK. */

export type { BackoffOptions } from "./calls/backoff.js";
export { type DPoPFetchOptions, dpopFetch } from "./calls/dpop-fetch.js";
export { type EncryptedTokenStoreOptions, encryptedTokenStore } from "./calls/encrypted-token-store.js";
export type { TokenClient } from "./calls/token-renewal.js";
export { type TokenSource, type TokenSourceOptions, type TokenWait, tokenSource } from "./calls/token-source.js";
export { memoryTokenStore, type StoredToken, type TokenStore } from "./calls/token-store.js";
export { DPoPProver, type ProofOptions, type ProverOptions } from "./dpop-prover.js";
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
export { KeySigner, type KeySignerOptions } from "./key-signer.js";
export { loadProviders } from "./load-providers.js";
export type { AuthorizationCodeRequest } from "./oauth/authorization-callback.js";
export type { AuthorizationUrlRequest, PendingAuthorization } from "./oauth/authorization-request.js";
export type { AssertionKey } from "./oauth/client-assertion.js";
export type { ClientAuth, PrivateKeyJwt } from "./oauth/client-auth.js";
export type { DeviceAuthorization } from "./oauth/device-authorization.js";
export type { EndpointName } from "./oauth/endpoints.js";
export type { AssertionToSign, JwtBearerRequest } from "./oauth/jwt-bearer.js";
export {
  type DeviceCodeRequest,
  type DiscoverOptions,
  OAuthClient,
  type OAuthClientOptions,
  type RefreshRequest,
} from "./oauth/oauth-client.js";
export { type PkcePair, pkcePair } from "./oauth/pkce.js";
export type { ServerMetadata } from "./oauth/server-metadata.js";
export { Token } from "./oauth/token.js";
export type { TokenExchangeRequest, TokenType } from "./oauth/token-exchange.js";
export type { ExtraFields, FormValue, GrantRequest, TokenRequest } from "./oauth/token-request.js";
export type { Introspection, TokenStatusRequest } from "./oauth/token-status.js";
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
export type {
  KeyDescription,
  KeyFacts,
  KeySource,
  OpenKey,
  OpenKeyOptions,
  PublicJwk,
  Signer,
  SignOptions,
  StoreSignature,
} from "./signer.js";
export type { SignatureTrace, TokenTrace } from "./tracing.js";
