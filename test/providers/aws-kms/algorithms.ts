/** The JWS algorithms that the tests of AWS KMS sign with, each with a key spec. */
import type { KeySpec } from "@aws-sdk/client-kms";
import type { AlgorithmName } from "hardproof";
import { testedAlgorithms } from "../../tested-algorithms.js";

/** What a request contains. Without `bytes`, the message itself. */
type Sent = [signingAlgorithm: string, messageType: string, bytes?: number];

/** The rows are written independently of the provider's. RSA keys of 2,048 bits are the fastest to generate. */
const ROWS: readonly (readonly [AlgorithmName, KeySpec, Sent])[] = [
  ["ES256", "ECC_NIST_P256", ["ECDSA_SHA_256", "DIGEST", 32]],
  ["ES384", "ECC_NIST_P384", ["ECDSA_SHA_384", "DIGEST", 48]],
  ["ES512", "ECC_NIST_P521", ["ECDSA_SHA_512", "DIGEST", 64]],
  ["Ed25519", "ECC_NIST_EDWARDS25519", ["ED25519_SHA_512", "RAW"]],
  ["RS256", "RSA_2048", ["RSASSA_PKCS1_V1_5_SHA_256", "DIGEST", 32]],
  ["RS384", "RSA_2048", ["RSASSA_PKCS1_V1_5_SHA_384", "DIGEST", 48]],
  ["RS512", "RSA_4096", ["RSASSA_PKCS1_V1_5_SHA_512", "DIGEST", 64]],
  ["PS256", "RSA_2048", ["RSASSA_PSS_SHA_256", "DIGEST", 32]],
  ["PS384", "RSA_2048", ["RSASSA_PSS_SHA_384", "DIGEST", 48]],
  ["PS512", "RSA_3072", ["RSASSA_PSS_SHA_512", "DIGEST", 64]],
  ["ML-DSA-44", "ML_DSA_44", ["ML_DSA_SHAKE_256", "EXTERNAL_MU", 64]],
  ["ML-DSA-65", "ML_DSA_65", ["ML_DSA_SHAKE_256", "EXTERNAL_MU", 64]],
  ["ML-DSA-87", "ML_DSA_87", ["ML_DSA_SHAKE_256", "EXTERNAL_MU", 64]],
];

const USABLE_NAMES = testedAlgorithms("aws-kms");

/** Those that this version of Node can verify. */
export const USABLE = ROWS.filter(([alg]) => USABLE_NAMES.includes(alg));

/** Those that this version of Node can't verify: ML-DSA before Node 24. */
export const UNUSABLE = ROWS.filter(([alg]) => !USABLE_NAMES.includes(alg));
