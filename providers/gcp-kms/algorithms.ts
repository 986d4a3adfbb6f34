/** The signing algorithms of Cloud KMS (https://cloud.google.com/kms/docs/algorithms) by JWS algorithm. */
import { SignerError } from "../../src/errors.js";
import type { Algorithm, AlgorithmName } from "../../src/jose/algorithms.js";
import { algorithmNamed, findAlgorithm, isAvailable } from "../../src/jose/find-algorithm.js";
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";

/** The names of the algorithms that a key version may have. A new key has the first one. */
const KMS_ALGORITHMS = {
  ES256: ["EC_SIGN_P256_SHA256"],
  ES384: ["EC_SIGN_P384_SHA384"],
  Ed25519: ["EC_SIGN_ED25519"],
  RS256: ["RSA_SIGN_PKCS1_3072_SHA256", "RSA_SIGN_PKCS1_2048_SHA256", "RSA_SIGN_PKCS1_4096_SHA256"],
  RS512: ["RSA_SIGN_PKCS1_4096_SHA512"],
  PS256: ["RSA_SIGN_PSS_3072_SHA256", "RSA_SIGN_PSS_2048_SHA256", "RSA_SIGN_PSS_4096_SHA256"],
  PS512: ["RSA_SIGN_PSS_4096_SHA512"],
  "ML-DSA-44": ["PQ_SIGN_ML_DSA_44"],
  "ML-DSA-65": ["PQ_SIGN_ML_DSA_65"],
  "ML-DSA-87": ["PQ_SIGN_ML_DSA_87"],
} as const satisfies Partial<Record<AlgorithmName, readonly [string, ...string[]]>>;

type SupportedName = keyof typeof KMS_ALGORITHMS;

const SUPPORTED = Object.keys(KMS_ALGORITHMS) as SupportedName[];

/**
 * Returns the JWS algorithm of a key version.
 *
 * @param kmsAlgorithm - Cloud KMS's name.
 * @returns `undefined` if it isn't a JWS algorithm, or this version of Node can't verify it.
 */
export function findJwsAlgorithm(kmsAlgorithm: unknown): Algorithm | undefined {
  const algorithm = findAlgorithm(nameOf(kmsAlgorithm));
  return algorithm && isAvailable(algorithm) ? algorithm : undefined;
}

/**
 * Returns the JWS algorithm of the key version that is opened.
 *
 * @param kmsAlgorithm - Cloud KMS's name.
 * @throws {SignerError} With code `wrong-key` if it isn't a JWS algorithm; `misconfigured` if this version of Node can't
 *   verify it.
 */
export function jwsAlgorithmOf(kmsAlgorithm: unknown): Algorithm {
  const name = nameOf(kmsAlgorithm);
  if (name) return algorithmNamed(name);
  const remedy = `Use a key of purpose ASYMMETRIC_SIGN for one of ${SUPPORTED.join(", ")}.`;
  throw new SignerError(
    "wrong-key",
    `The key version has algorithm ${kmsAlgorithm}, which can't sign a JWS. ${remedy}`,
  );
}

/**
 * Returns Cloud KMS's name for the algorithm of a new key. A new RSA key has 3072 bits, or 4096 with SHA-512.
 *
 * @throws {SignerError} With code `misconfigured` if Cloud KMS doesn't have the algorithm.
 */
export function kmsAlgorithmFor(algorithm: AlgorithmName | undefined) {
  const { alg } = algorithmToCreate(algorithm, SUPPORTED);
  return KMS_ALGORITHMS[alg as SupportedName][0];
}

function nameOf(kmsAlgorithm: unknown): SupportedName | undefined {
  return SUPPORTED.find((name) => KMS_ALGORITHMS[name].some((known) => known === kmsAlgorithm));
}
