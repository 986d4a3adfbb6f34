/**
 * For tests of applications that sign with Hardproof, published as `hardproof/testing`: servers and key stores that are
 * started by one call, can be told what to do wrong, and record what they were asked.
 *
 * @module
 */
export {
  type AwsKmsCredentials,
  type AwsKmsEmulator,
  awsKmsEmulator,
  type KmsKey,
  type KmsOperation,
} from "./emulators/aws-kms.js";
export type { KeyOptions as AwsKmsKeyOptions, KmsKeys as AwsKmsKeys } from "./emulators/aws-kms-keys.js";
export type { KeyMaterial as AwsKmsKeyMaterial } from "./emulators/aws-kms-material.js";
export type { SignRequest as AwsKmsSignRequest } from "./emulators/aws-kms-specs.js";
export type {
  AwsKmsCreateAliasInput,
  AwsKmsCreateKeyInput,
  AwsKmsKeyRequest,
  AwsKmsListKeysInput,
  AwsKmsRequests,
  AwsKmsScheduleKeyDeletionInput,
  AwsKmsSignInput,
  KeySpec,
  KeyState,
  KeyUsageType,
  MessageType,
  OriginType,
  SigningAlgorithmSpec,
} from "./emulators/aws-kms-types.js";
export {
  type AzureKeyVaultEmulator,
  azureKeyVaultEmulator,
  type EmulatorClientOptions,
  type EmulatorCredential,
  type LoopbackPolicy,
  type LoopbackPolicyConfig,
} from "./emulators/azure-kv.js";
export type { ErrorResponse as AzureKvErrorResponse } from "./emulators/azure-kv-error.js";
export type { EmulatorToken, TokenIssuer as AzureTokenIssuer } from "./emulators/azure-kv-identity.js";
export type {
  KeyVersion as AzureKvKeyVersion,
  VaultKeys as AzureKvKeys,
  VersionAttributes as AzureKvVersionAttributes,
  VersionOptions as AzureKvVersionOptions,
} from "./emulators/azure-kv-keys.js";
export type { Curve as AzureKvCurve, KeyMaterial as AzureKvKeyMaterial } from "./emulators/azure-kv-material.js";
export type {
  AzureKvCreateKeyInput,
  AzureKvKeyName,
  AzureKvOperation,
  AzureKvRequests,
  AzureKvSignInput,
} from "./emulators/azure-kv-operations.js";
export { type Call, type CallOf, type Fault, FaultPlan } from "./emulators/fault-plan.js";
export { type GcpKmsEmulator, gcpKmsEmulator, type ServerCertificate } from "./emulators/gcp-kms.js";
export type { KeyPair as GcpKmsKeyPair } from "./emulators/gcp-kms-algorithms.js";
export type {
  AsymmetricSignInput as GcpKmsAsymmetricSignInput,
  Checksum as GcpKmsChecksum,
  Contained as GcpKmsContained,
  CreateCryptoKeyInput as GcpKmsCreateCryptoKeyInput,
  Digest as GcpKmsDigest,
  GetPublicKeyInput as GcpKmsGetPublicKeyInput,
  Named as GcpKmsNamed,
  NewCryptoKey as GcpKmsNewCryptoKey,
  Operation as GcpKmsOperation,
  Requests as GcpKmsRequests,
  TestIamPermissionsInput as GcpKmsTestIamPermissionsInput,
  UpdateVersionInput as GcpKmsUpdateVersionInput,
  VersionTemplate as GcpKmsVersionTemplate,
} from "./emulators/gcp-kms-requests.js";
export type {
  Attestation as GcpKmsAttestation,
  KeyFields as GcpKmsKeyFields,
  KeyOptions as GcpKmsKeyOptions,
  KmsStore as GcpKmsKeys,
  NamedVersionFields as GcpKmsNamedVersionFields,
  StoredKey as GcpKmsStoredKey,
  StoredVersion as GcpKmsStoredVersion,
  Timestamp as GcpKmsTimestamp,
  VersionFields as GcpKmsVersionFields,
} from "./emulators/gcp-kms-store.js";
export { type VaultCall, type VaultEmulator, type VaultOperation, vaultEmulator } from "./emulators/vault.js";
export type { FaultResponse as VaultFaultResponse, VaultFault } from "./emulators/vault-faults.js";
export type {
  KeyType as VaultKeyType,
  KeyVersion as VaultKeyVersion,
  SignParameters as VaultSignParameters,
  TransitKey,
} from "./emulators/vault-keys.js";
export type { Role as VaultRole, TokenTerms as VaultTokenTerms, VaultTokens } from "./emulators/vault-tokens.js";
export {
  type FaultyPkcs11,
  faultyPkcs11,
  type Pkcs11Act,
  type Pkcs11Fault,
  type Pkcs11Function,
} from "./pkcs11/faulty-pkcs11.js";
export { CKR, type ReturnValueName } from "./pkcs11/return-values.js";
export type { Proof } from "./server/check-proof.js";
export type { TestServerFault, TestServerInputs, TestServerOperation, TestServerRequest } from "./server/recorder.js";
export { type TestServer, type TestServerClient, type TestServerOptions, testServer } from "./server/test-server.js";
