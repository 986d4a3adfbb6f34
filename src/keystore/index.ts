/**
 * For authors of key stores, published as `hardproof/provider`: the interfaces that a provider implements, and the
 * helpers that the built-in providers are made of. An application imports `hardproof` instead.
 *
 * @module
 */

export type { Deadline } from "../deadline.js";
export { SignerError, type SignerErrorCode } from "../errors.js";
export {
  type AkpAlgorithm,
  ALGORITHMS,
  type Algorithm,
  type AlgorithmName,
  type EcAlgorithm,
  type KeyType,
  type OkpAlgorithm,
  type RsaAlgorithm,
  type WebCryptoAlgorithm,
} from "../jose/algorithms.js";
export type { AlgorithmChoice } from "../jose/choose-algorithm.js";
export { algorithmNamed, findAlgorithm } from "../jose/find-algorithm.js";
export { type ImportedPublicKey, importPublicKey, type KeyWithOptions } from "../jose/public-key.js";
export { algorithmToCreate } from "./algorithm-to-create.js";
export { clockFinding } from "./clock-finding.js";
export { type ErrorRow, ErrorTable } from "./error-table.js";
export type { Finding } from "./finding.js";
export { missingPackage } from "./import-optional.js";
export { KeySigner, type KeySignerOptions } from "./key-signer.js";
export type { KeySource, OpenKey, OpenKeyOptions, StoreSignature } from "./key-source.js";
export { oneLine } from "./one-line.js";
export type { DeletedKey, Provider, ProviderOptions, StoreToken } from "./provider.js";
export { PublicKeyCache } from "./public-key-cache.js";
export { encodePublicKey, type PublicKeyInput } from "./public-key-input.js";
export { type KeyReading, readableKeys } from "./readable-keys.js";
export { RequestRepeater } from "./request-repeater.js";
export { checkSecretSource, type SecretToCheck } from "./secret-check.js";
export { readSecret, type SecretReference, type SecretSource, type SecretUse } from "./secret-source.js";
export type { KeyDescription, KeyFacts, PublicJwk, PublicKeyMembers, Signer, SignOptions } from "./signer.js";
export { misconfigured, signerError, withKeyUri } from "./signer-error.js";
export { type Closable, callStore, checkTimeout, type StoreCall, withClient } from "./store-call.js";
export { streamFromStore, streamWithClient } from "./store-stream.js";
export {
  type Attributes,
  decodeText,
  formatAttributes,
  formatSecretSource,
  isLoopback,
  percentDecode,
  percentEncode,
  readAttributes,
  type SplitUri,
  splitUri,
  type UriFailure,
  type UriPart,
} from "./uri.js";
