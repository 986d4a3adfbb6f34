/** The algorithms of Cloud KMS that the tests use, and what this version of Node can do with them. */
import { type AlgorithmName, findAlgorithm } from "hardproof/provider";
import { testedAlgorithms } from "../../tested-algorithms.js";

/** Each signing algorithm of Cloud KMS that is a JWS algorithm, and that one. */
const ALL = [
  ["EC_SIGN_P256_SHA256", "ES256"],
  ["EC_SIGN_P384_SHA384", "ES384"],
  ["EC_SIGN_ED25519", "Ed25519"],
  ["RSA_SIGN_PKCS1_2048_SHA256", "RS256"],
  ["RSA_SIGN_PKCS1_3072_SHA256", "RS256"],
  ["RSA_SIGN_PKCS1_4096_SHA256", "RS256"],
  ["RSA_SIGN_PKCS1_4096_SHA512", "RS512"],
  ["RSA_SIGN_PSS_2048_SHA256", "PS256"],
  ["RSA_SIGN_PSS_3072_SHA256", "PS256"],
  ["RSA_SIGN_PSS_4096_SHA256", "PS256"],
  ["RSA_SIGN_PSS_4096_SHA512", "PS512"],
  ["PQ_SIGN_ML_DSA_44", "ML-DSA-44"],
  ["PQ_SIGN_ML_DSA_65", "ML-DSA-65"],
  ["PQ_SIGN_ML_DSA_87", "ML-DSA-87"],
] as const satisfies readonly (readonly [kmsAlgorithm: string, alg: AlgorithmName])[];

const USABLE_NAMES = testedAlgorithms("gcp-kms");

/** Those that this version of Node can verify. */
export const USABLE = ALL.filter(([, alg]) => USABLE_NAMES.includes(alg));

/** Those that this version of Node can't verify: ML-DSA before Node 24. */
export const UNUSABLE = ALL.filter(([, alg]) => !USABLE_NAMES.includes(alg));

/** The first of those for each JWS algorithm. */
export const ONE_OF_EACH = USABLE.filter(([, alg], at) => USABLE.findIndex((row) => row[1] === alg) === at);

/** Those that sign the message itself. */
export const SIGNS_DATA = USABLE.filter(([, alg]) => findAlgorithm(alg)?.hash === undefined);
