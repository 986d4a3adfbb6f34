/** The key types of the transit engine, and how it is asked for a signature with each JWS algorithm. */
import { type AlgorithmName, algorithmToCreate, SignerError } from "hardproof/provider";

const RSA: readonly AlgorithmName[] = ["PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/** The algorithms of each key type. A new key has the first type that fits. */
const TYPES: Readonly<Record<string, readonly AlgorithmName[]>> = {
  "ecdsa-p256": ["ES256"],
  "ecdsa-p384": ["ES384"],
  "ecdsa-p521": ["ES512"],
  ed25519: ["Ed25519"],
  "rsa-3072": RSA,
  "rsa-2048": RSA,
  "rsa-4096": RSA,
};

/** How the server is asked for a signature. */
export interface SignParameters {
  /** The last segment of the URL. Without it, the server signs the message itself. */
  readonly hash?: "sha2-256" | "sha2-384" | "sha2-512";
  readonly signatureAlgorithm?: "pss" | "pkcs1v15";
}

/** By algorithm. One that isn't here can't be used with the engine. */
export const SIGN_PARAMETERS: Readonly<Partial<Record<AlgorithmName, SignParameters>>> = {
  ES256: { hash: "sha2-256" },
  ES384: { hash: "sha2-384" },
  ES512: { hash: "sha2-512" },
  Ed25519: {},
  PS256: { hash: "sha2-256", signatureAlgorithm: "pss" },
  PS384: { hash: "sha2-384", signatureAlgorithm: "pss" },
  PS512: { hash: "sha2-512", signatureAlgorithm: "pss" },
  RS256: { hash: "sha2-256", signatureAlgorithm: "pkcs1v15" },
  RS384: { hash: "sha2-384", signatureAlgorithm: "pkcs1v15" },
  RS512: { hash: "sha2-512", signatureAlgorithm: "pkcs1v15" },
};

/** Returns the algorithms that a key of this type can sign with. Empty if it can't sign a JWS. */
export function algorithmsOf(type: string): readonly AlgorithmName[] {
  return (Object.hasOwn(TYPES, type) && TYPES[type]) || [];
}

/** Returns the error for a key that can't sign a JWS. */
export function wrongType(type: string): SignerError {
  const remedy = `Use a key of one of the types ${Object.keys(TYPES).join(", ")}.`;
  return new SignerError("wrong-key", `The key's type is ${type}, which can't sign a JWS. ${remedy}`);
}

/**
 * Returns the type of a new key.
 *
 * @throws {SignerError} With code `misconfigured` if the engine doesn't have the algorithm.
 */
export function typeFor(algorithm: AlgorithmName | undefined): string {
  const { alg } = algorithmToCreate(algorithm, Object.keys(SIGN_PARAMETERS) as AlgorithmName[]);
  return Object.keys(TYPES).find((type) => TYPES[type]?.includes(alg)) ?? "";
}
