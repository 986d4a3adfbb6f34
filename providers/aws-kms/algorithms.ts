/** How AWS KMS names each JWS algorithm (KMS Developer Guide, "Key spec reference"): one row for each. */
import type { GetPublicKeyCommandOutput, KeySpec, MessageType, SigningAlgorithmSpec } from "@aws-sdk/client-kms";
import { ALGORITHMS, type Algorithm, type AlgorithmName } from "../../src/jose/algorithms.js";

/** AWS KMS's words for a JWS algorithm. */
export interface KmsAlgorithm {
  /** The key specs that can sign with it. A new key has the first one. */
  readonly keySpecs: readonly [KeySpec, ...KeySpec[]];
  readonly signingAlgorithm: SigningAlgorithmSpec;
  /** What a request contains: the digest, ML-DSA's message representative μ, or the message itself. */
  readonly messageType: MessageType;
}

const RSA = ["RSA_3072", "RSA_2048", "RSA_4096"] as const;

export const KMS_ALGORITHMS: Readonly<Record<AlgorithmName, KmsAlgorithm>> = {
  ES256: { keySpecs: ["ECC_NIST_P256"], signingAlgorithm: "ECDSA_SHA_256", messageType: "DIGEST" },
  ES384: { keySpecs: ["ECC_NIST_P384"], signingAlgorithm: "ECDSA_SHA_384", messageType: "DIGEST" },
  ES512: { keySpecs: ["ECC_NIST_P521"], signingAlgorithm: "ECDSA_SHA_512", messageType: "DIGEST" },
  Ed25519: { keySpecs: ["ECC_NIST_EDWARDS25519"], signingAlgorithm: "ED25519_SHA_512", messageType: "RAW" },
  RS256: { keySpecs: RSA, signingAlgorithm: "RSASSA_PKCS1_V1_5_SHA_256", messageType: "DIGEST" },
  RS384: { keySpecs: RSA, signingAlgorithm: "RSASSA_PKCS1_V1_5_SHA_384", messageType: "DIGEST" },
  RS512: { keySpecs: RSA, signingAlgorithm: "RSASSA_PKCS1_V1_5_SHA_512", messageType: "DIGEST" },
  PS256: { keySpecs: RSA, signingAlgorithm: "RSASSA_PSS_SHA_256", messageType: "DIGEST" },
  PS384: { keySpecs: RSA, signingAlgorithm: "RSASSA_PSS_SHA_384", messageType: "DIGEST" },
  PS512: { keySpecs: RSA, signingAlgorithm: "RSASSA_PSS_SHA_512", messageType: "DIGEST" },
  "ML-DSA-44": { keySpecs: ["ML_DSA_44"], signingAlgorithm: "ML_DSA_SHAKE_256", messageType: "EXTERNAL_MU" },
  "ML-DSA-65": { keySpecs: ["ML_DSA_65"], signingAlgorithm: "ML_DSA_SHAKE_256", messageType: "EXTERNAL_MU" },
  "ML-DSA-87": { keySpecs: ["ML_DSA_87"], signingAlgorithm: "ML_DSA_SHAKE_256", messageType: "EXTERNAL_MU" },
};

/** The key usage of a key that signs. */
export const KEY_USAGE = "SIGN_VERIFY";

/** The key specs of all rows. */
export const KEY_SPECS = [...new Set(Object.values(KMS_ALGORITHMS).flatMap(({ keySpecs }) => keySpecs))];

/** What AWS KMS reports about a key that decides what it can sign. */
export type DescribedKey = Partial<Pick<GetPublicKeyCommandOutput, "KeySpec" | "KeyUsage" | "SigningAlgorithms">>;

/** Returns the JWS algorithms that a key can sign with, according to AWS KMS. */
export function jwsAlgorithmsOf({ KeySpec, KeyUsage, SigningAlgorithms = [] }: DescribedKey): Algorithm[] {
  if (KeyUsage !== KEY_USAGE) return [];
  return ALGORITHMS.filter(({ alg }) => {
    const { keySpecs, signingAlgorithm } = KMS_ALGORITHMS[alg];
    return keySpecs.some((spec) => spec === KeySpec) && SigningAlgorithms.includes(signingAlgorithm);
  });
}
