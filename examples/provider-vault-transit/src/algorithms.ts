/** How the transit engine signs with each JWS algorithm: the types of the keys, and the parameters of a request. */
import { type AlgorithmName, algorithmToCreate, SignerError } from "hardproof/provider";

/** The engine's words for a JWS algorithm. */
export interface TransitAlgorithm {
  /** The key types that can sign with it. A new key has the first one. */
  readonly types: readonly [string, ...string[]];
  /** The last segment of the URL, if the server is sent a digest. Otherwise it is sent the message. */
  readonly hash?: "sha2-256" | "sha2-384" | "sha2-512";
  readonly signatureAlgorithm?: "pss" | "pkcs1v15";
}

const RSA = ["rsa-3072", "rsa-2048", "rsa-4096"] as const;

const ALGORITHMS: Readonly<Partial<Record<AlgorithmName, TransitAlgorithm>>> = {
  ES256: { types: ["ecdsa-p256"], hash: "sha2-256" },
  ES384: { types: ["ecdsa-p384"], hash: "sha2-384" },
  ES512: { types: ["ecdsa-p521"], hash: "sha2-512" },
  Ed25519: { types: ["ed25519"] },
  PS256: { types: RSA, hash: "sha2-256", signatureAlgorithm: "pss" },
  PS384: { types: RSA, hash: "sha2-384", signatureAlgorithm: "pss" },
  PS512: { types: RSA, hash: "sha2-512", signatureAlgorithm: "pss" },
  RS256: { types: RSA, hash: "sha2-256", signatureAlgorithm: "pkcs1v15" },
  RS384: { types: RSA, hash: "sha2-384", signatureAlgorithm: "pkcs1v15" },
  RS512: { types: RSA, hash: "sha2-512", signatureAlgorithm: "pkcs1v15" },
};

/** The JWS algorithms that the engine signs with. */
export const SUPPORTED = Object.keys(ALGORITHMS) as AlgorithmName[];

/** @throws {SignerError} With code `wrong-key` if the engine doesn't have the algorithm. */
export function transitAlgorithm(name: AlgorithmName): TransitAlgorithm {
  const algorithm = ALGORITHMS[name];
  if (algorithm) return algorithm;
  throw new SignerError("wrong-key", `The transit engine doesn't sign with ${name}.`);
}

/** Returns the algorithms that a key of this type can sign with. Empty if it can't sign a JWS. */
export function algorithmsOf(type: string): AlgorithmName[] {
  return SUPPORTED.filter((name) => transitAlgorithm(name).types.includes(type));
}

/** Returns the error for a key that can't sign a JWS. */
export function wrongType(type: string): SignerError {
  const types = new Set(SUPPORTED.flatMap((name) => transitAlgorithm(name).types));
  const remedy = `Use a key of one of the types ${[...types].join(", ")}.`;
  return new SignerError("wrong-key", `The key's type is ${type}, which can't sign a JWS. ${remedy}`);
}

/**
 * Returns the type of a new key.
 *
 * @throws {SignerError} With code `misconfigured` if the engine doesn't have the algorithm.
 */
export function typeFor(algorithm: AlgorithmName | undefined): string {
  return transitAlgorithm(algorithmToCreate(algorithm, SUPPORTED).alg).types[0];
}
