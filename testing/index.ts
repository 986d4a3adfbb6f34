/**
 * For tests of applications that sign with Hardproof, published as `hardproof/testing`: servers and key stores that are
 * started by one call, can be told what to do wrong, and record what they were asked.
 *
 * @module
 */
export { type AwsKmsEmulator, awsKmsEmulator, type KmsKey, type KmsOperation } from "./emulators/aws-kms.js";
export { type AzureKeyVaultEmulator, type AzureKvOperation, azureKeyVaultEmulator } from "./emulators/azure-kv.js";
export { type Call, type Fault, FaultPlan } from "./emulators/fault-plan.js";
export { type GcpKmsEmulator, gcpKmsEmulator } from "./emulators/gcp-kms.js";
export { type VaultCall, type VaultEmulator, type VaultOperation, vaultEmulator } from "./emulators/vault.js";
export {
  type FaultyPkcs11,
  faultyPkcs11,
  type Pkcs11Act,
  type Pkcs11Fault,
  type Pkcs11Function,
} from "./pkcs11/faulty-pkcs11.js";
export { CKR } from "./pkcs11/return-values.js";
export type { Proof } from "./server/check-proof.js";
export type { TestServerFault, TestServerOperation, TestServerRequest } from "./server/recorder.js";
export { type TestServer, type TestServerOptions, testServer } from "./server/test-server.js";
