/**
 * DPoP proofs (RFC 9449) and OAuth tokens that are bound to keys in an HSM, a TPM or a cloud KMS.
 *
 * Importing this module doesn't load a native addon or an SDK; a provider is loaded when one of its keys is opened.
 *
 * @example
 * ```ts
 * import { DPoPProver, openSigner } from "hardproof";
 *
 * const signer = await openSigner("pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN");
 * const prover = await DPoPProver.create(signer);
 * const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/accounts" });
 * ```
 *
 * @module
 */

export type { NonceStore } from "./dpop/nonce-cache.js";
export type { ProofOptions } from "./dpop/proof-options.js";
export { DPoPProver, type ProverOptions } from "./dpop/prover.js";
export { type ExpectedProof, type ProofVerification, verifyProof } from "./dpop/verify-proof.js";
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
export { ALGORITHM_NAMES } from "./jose/algorithms.js";
export { type ImportedPublicKey, importPublicKey, type KeyWithOptions } from "./jose/public-key.js";
export { verifySignature } from "./jose/signature.js";
export type { Finding } from "./keystore/finding.js";
export { type KeyObjectSignerOptions, keyObjectSigner } from "./keystore/key-object-signer.js";
export { KeySigner, type KeySignerOptions } from "./keystore/key-signer.js";
export type { KeySource, OpenKey, OpenKeyOptions, StoreSignature } from "./keystore/key-source.js";
export { loadProviders } from "./keystore/load-providers.js";
export type { DeletedKey, Provider, ProviderOptions, StoreToken } from "./keystore/provider.js";
export type { PublicKeyInput } from "./keystore/public-key-input.js";
export {
  type CreateKeyOptions,
  createKey,
  deleteKey,
  diagnoseKey,
  listKeys,
  listTokens,
  openSigner,
  registerProvider,
  streamKeys,
} from "./keystore/registry.js";
export { type ReplicaSignerOptions, replicaSigner } from "./keystore/replica-signer.js";
export { type KeyRequirement, requireNonExportable } from "./keystore/require-non-exportable.js";
export { type JwtOptions, signJwt } from "./keystore/sign-jwt.js";
export type {
  AlgorithmName,
  KeyDescription,
  KeyFacts,
  PublicJwk,
  PublicKeyMembers,
  Signer,
  SignOptions,
} from "./keystore/signer.js";
export type { AccessChallenge } from "./oauth/access-challenge.js";
export type { AttestationAuth, AttestationDPoPAuth } from "./oauth/client-auth/attestation-auth.js";
export type { AssertionKey } from "./oauth/client-auth/client-assertion.js";
export {
  type ClientAttester,
  type ClientAttesterOptions,
  clientAttester,
  type KeyToAttest,
} from "./oauth/client-auth/client-attester.js";
export type {
  CertificateAuth,
  ClientAuth,
  ExternalAssertion,
  PrivateKeyJwt,
} from "./oauth/client-auth/client-auth.js";
export type { AssertionSource, AssertionTarget } from "./oauth/client-auth/external-assertion.js";
export {
  type AuthenticatedClient,
  type AuthenticatedServer,
  type ClientAuthFunction,
  type PrivateKeyJwtOptions,
  privateKeyJwt,
} from "./oauth/client-auth/private-key-jwt.js";
export type { EndpointName } from "./oauth/endpoints.js";
export type { AuthorizationCodeRequest } from "./oauth/grants/authorization-callback.js";
export type { AuthorizationUrlRequest, PendingAuthorization } from "./oauth/grants/authorization-request.js";
export type {
  BackchannelAuthentication,
  BackchannelAuthenticationRequest,
} from "./oauth/grants/backchannel-authentication.js";
export type { AuthorizationCallback } from "./oauth/grants/callback-parameters.js";
export type {
  DeviceAuthorization,
  DeviceAuthorizationRequest,
  DeviceCodeRequest,
} from "./oauth/grants/device-authorization.js";
export type { AssertionToSign, JwtBearerRequest } from "./oauth/grants/jwt-bearer.js";
export { type PkcePair, pkcePair } from "./oauth/grants/pkce.js";
export type { RefreshRequest } from "./oauth/grants/refresh.js";
export type { ResponseMode } from "./oauth/grants/response-mode.js";
export type { TokenExchangeRequest, TokenType } from "./oauth/grants/token-exchange.js";
export { type DiscoverOptions, OAuthClient, type OAuthClientOptions } from "./oauth/oauth-client.js";
export type { Profile } from "./oauth/profile.js";
export { type ClientJwk, type ClientJwks, clientJwks } from "./oauth/registration/client-jwks.js";
export type {
  ClientMetadata,
  ClientRegistration,
  RegistrationAccess,
} from "./oauth/registration/client-registration.js";
export type { RegistrationRequest, RegistrationUpdate } from "./oauth/registration/register-client.js";
export type { IdTokenClaims } from "./oauth/server-jwt/id-token.js";
export type { ServerJwtOptions } from "./oauth/server-jwt/server-jwts.js";
export type { ServerMetadata } from "./oauth/server-metadata.js";
export type { WordList } from "./oauth/space-delimited.js";
export { type Actor, delegationChain } from "./oauth/token/delegation.js";
export { Token, type TokenState } from "./oauth/token/token.js";
export type {
  AnyTokenRequest,
  ExtraFields,
  FormValue,
  GrantOptions,
  GrantRequest,
  TokenBinding,
  TokenRequest,
} from "./oauth/token/token-request.js";
export type { Introspection, TokenStatusRequest } from "./oauth/token/token-status.js";
export type { ClientAssertion } from "./resource/assertion-client.js";
export {
  type DiscoveredResource,
  type DiscoverResourceOptions,
  discoverResource,
} from "./resource/discover-resource.js";
export { type DPoPFetchOptions, dpopFetch } from "./resource/dpop-fetch.js";
export { type ProofFetch, type ProofFetchOptions, proofFetch } from "./resource/proof-fetch.js";
export {
  type ProofAttempt,
  type ProofHeaders,
  type ProofSession,
  type ProofSessionOptions,
  proofSession,
  type SessionRequest,
  type SessionResponse,
} from "./resource/proof-session.js";
export { readChallenge } from "./resource/read-challenge.js";
export {
  fetchResourceMetadata,
  type ResourceMetadata,
  type ResourceMetadataOptions,
} from "./resource/resource-metadata.js";
export type { ResponseHeaders } from "./resource/response-headers.js";
export type { BackoffOptions } from "./tokens/backoff.js";
export { type EncryptedTokenStoreOptions, encryptedTokenStore } from "./tokens/encrypted-token-store.js";
export type { LeasedRecords } from "./tokens/leased-records.js";
export {
  type LeasedRecordsOptions,
  type LeasedTokenStoreOptions,
  leasedTokenStore,
} from "./tokens/leased-token-store.js";
export type { RotatableTokenSource, RotateOptions } from "./tokens/rotating-token-source.js";
export type { SealingKey } from "./tokens/sealing.js";
export type { SourceBinding, TokenClient } from "./tokens/source-binding.js";
export {
  type GetTokenOptions,
  type SourceOptions,
  type TokenSource,
  type TokenSourceOptions,
  tokenSource,
} from "./tokens/token-source.js";
export { type LockOptions, memoryTokenStore, type StoredToken, type TokenStore } from "./tokens/token-store.js";
export type { RejectionTrace, ReplicaTrace, SignatureTrace, TokenTrace, WaitingTrace } from "./tracing.js";
