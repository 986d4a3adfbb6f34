/** The signing algorithms of Cloud KMS (https://cloud.google.com/kms/docs/algorithms), one row for each. */
import { SignerError } from "../../src/errors.js";
import type { Algorithm, AlgorithmName } from "../../src/jose/algorithms.js";
import { algorithmNamed, findAlgorithm, isAvailable } from "../../src/jose/find-algorithm.js";
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";

/** Cloud KMS's name, and the JWS algorithm. A new key has the first name of its JWS algorithm. */
const ALGORITHMS = {
  EC_SIGN_P256_SHA256: "ES256",
  EC_SIGN_P384_SHA384: "ES384",
  EC_SIGN_ED25519: "Ed25519",
  RSA_SIGN_PKCS1_3072_SHA256: "RS256",
  RSA_SIGN_PKCS1_2048_SHA256: "RS256",
  RSA_SIGN_PKCS1_4096_SHA256: "RS256",
  RSA_SIGN_PKCS1_4096_SHA512: "RS512",
  RSA_SIGN_PSS_3072_SHA256: "PS256",
  RSA_SIGN_PSS_2048_SHA256: "PS256",
  RSA_SIGN_PSS_4096_SHA256: "PS256",
  RSA_SIGN_PSS_4096_SHA512: "PS512",
  PQ_SIGN_ML_DSA_44: "ML-DSA-44",
  PQ_SIGN_ML_DSA_65: "ML-DSA-65",
  PQ_SIGN_ML_DSA_87: "ML-DSA-87",
} as const satisfies Readonly<Record<string, AlgorithmName>>;

/** The name of a signing algorithm that is a JWS algorithm. */
type KmsAlgorithm = keyof typeof ALGORITHMS;

const NAMES = Object.keys(ALGORITHMS) as KmsAlgorithm[];
const JWS_NAMES = [...new Set(Object.values(ALGORITHMS))];

/**
 * Returns the JWS algorithm of a key version.
 *
 * @param name - Cloud KMS's name.
 * @returns `undefined` if it isn't a JWS algorithm, or this version of Node can't verify it.
 */
export function findJwsAlgorithm(name: unknown): Algorithm | undefined {
  const algorithm = isKmsAlgorithm(name) ? findAlgorithm(ALGORITHMS[name]) : undefined;
  return algorithm && isAvailable(algorithm) ? algorithm : undefined;
}

/**
 * Returns the JWS algorithm of the key version that was opened.
 *
 * @param name - Cloud KMS's name.
 * @throws {SignerError} With code `wrong-key` if it isn't a JWS algorithm; `misconfigured` if this version of Node can't
 *   verify it.
 */
export function jwsAlgorithmOf(name: unknown): Algorithm {
  if (isKmsAlgorithm(name)) return algorithmNamed(ALGORITHMS[name]);
  const remedy = `Use a key of purpose ASYMMETRIC_SIGN for one of ${JWS_NAMES.join(", ")}.`;
  throw new SignerError("wrong-key", `The key version has algorithm ${name}, which can't sign a JWS. ${remedy}`);
}

/**
 * Returns Cloud KMS's name for the algorithm of a new key. A new RSA key has 3072 bits, or 4096 with SHA-512.
 *
 * @throws {SignerError} With code `misconfigured` if Cloud KMS doesn't have the algorithm.
 */
export function kmsAlgorithmFor(algorithm: AlgorithmName | undefined): KmsAlgorithm {
  const { alg } = algorithmToCreate(algorithm, JWS_NAMES);
  return NAMES.find((name) => ALGORITHMS[name] === alg) ?? "EC_SIGN_P256_SHA256";
}

function isKmsAlgorithm(name: unknown): name is KmsAlgorithm {
  return NAMES.some((known) => known === name);
}
