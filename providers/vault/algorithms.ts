/** How the transit engine signs with each JWS algorithm: the types of the keys, and the parameters of a request. */
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { algorithmNamed, findAlgorithm, isAvailable } from "../../src/jose/find-algorithm.js";
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";

/** The engine's names for a JWS algorithm. */
export interface TransitAlgorithm {
  /** The key types that can sign with it. A new key has the first one. */
  readonly types: readonly [string, ...string[]];
  /** The last segment of the path, if the server is sent a digest. Otherwise it is sent the message. */
  readonly hash?: "sha2-256" | "sha2-384" | "sha2-512";
  /** RSA: the padding. */
  readonly signatureAlgorithm?: "pss" | "pkcs1v15";
  /** ML-DSA: the parameter set of the key. */
  readonly parameterSet?: string;
}

const RSA = ["rsa-3072", "rsa-2048", "rsa-4096"] as const;

const ALGORITHMS: Readonly<Record<AlgorithmName, TransitAlgorithm>> = {
  ES256: { types: ["ecdsa-p256"], hash: "sha2-256" },
  ES384: { types: ["ecdsa-p384"], hash: "sha2-384" },
  ES512: { types: ["ecdsa-p521"], hash: "sha2-512" },
  Ed25519: { types: ["ed25519"] },
  RS256: { types: RSA, hash: "sha2-256", signatureAlgorithm: "pkcs1v15" },
  RS384: { types: RSA, hash: "sha2-384", signatureAlgorithm: "pkcs1v15" },
  RS512: { types: RSA, hash: "sha2-512", signatureAlgorithm: "pkcs1v15" },
  PS256: { types: RSA, hash: "sha2-256", signatureAlgorithm: "pss" },
  PS384: { types: RSA, hash: "sha2-384", signatureAlgorithm: "pss" },
  PS512: { types: RSA, hash: "sha2-512", signatureAlgorithm: "pss" },
  "ML-DSA-44": { types: ["ml-dsa"], parameterSet: "44" },
  "ML-DSA-65": { types: ["ml-dsa"], parameterSet: "65" },
  "ML-DSA-87": { types: ["ml-dsa"], parameterSet: "87" },
};

const SUPPORTED = Object.keys(ALGORITHMS) as AlgorithmName[];

/** Returns the row of an algorithm. */
export function transitAlgorithm(name: AlgorithmName): TransitAlgorithm {
  return ALGORITHMS[name];
}

/**
 * Returns the algorithms that a key can sign with.
 *
 * @param type - The engine's name of the key's type.
 * @param parameterSet - The parameter set of an ML-DSA key.
 * @returns Nothing if the key can't sign a JWS, or this version of Node can't verify it.
 */
export function usableAlgorithms(type: string, parameterSet: string | undefined): AlgorithmName[] {
  return algorithmsOf(type, parameterSet).filter((name) => {
    const row = findAlgorithm(name);
    return row !== undefined && isAvailable(row);
  });
}

/**
 * Returns the algorithms that the key that is opened can sign with.
 *
 * @throws {SignerError} With code `wrong-key` if there aren't any; `misconfigured` if this version of Node can't verify
 *   them.
 */
export function algorithmsToOpen(type: string, parameterSet: string | undefined): AlgorithmName[] {
  const names = algorithmsOf(type, parameterSet);
  if (names.length === 0) throw wrongType(type);
  for (const name of names) algorithmNamed(name);
  return names;
}

/**
 * Returns the parameters of a new key.
 *
 * @throws {SignerError} With code `misconfigured` if this version of Node can't verify the algorithm.
 */
export function parametersFor(algorithm: AlgorithmName | undefined): { type: string; parameter_set?: string } {
  const { types, parameterSet } = ALGORITHMS[algorithmToCreate(algorithm, SUPPORTED).alg];
  return { type: types[0], ...(parameterSet !== undefined && { parameter_set: parameterSet }) };
}

function algorithmsOf(type: string, parameterSet: string | undefined): AlgorithmName[] {
  return SUPPORTED.filter((name) => {
    const row = ALGORITHMS[name];
    return row.types.includes(type) && (row.parameterSet === undefined || row.parameterSet === parameterSet);
  });
}

/** Keys of an HSM or a KMS that the server calls: `managed_key` of Vault, `external-key` of OpenBao. */
const ELSEWHERE = new Set(["managed_key", "external-key"]);

function wrongType(type: string): SignerError {
  if (ELSEWHERE.has(type)) {
    const reason = "It is stored in another HSM or KMS, and the server doesn't return its public key.";
    return new SignerError("wrong-key", `The key's type is ${type}. ${reason} Use that store's own provider.`);
  }
  const types = new Set(SUPPORTED.flatMap((name) => ALGORITHMS[name].types));
  const remedy = `Use a key of one of the types ${[...types].join(", ")}.`;
  return new SignerError("wrong-key", `The key's type is ${type}, which can't sign a JWS. ${remedy}`);
}
