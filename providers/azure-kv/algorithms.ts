/** The JWS algorithms of Key Vault, which has the same names for them (Key Vault documentation, "Key types, algorithms, and operations"). */
import { ALGORITHMS, type Algorithm, type AlgorithmName } from "../../src/jose/algorithms.js";
import { isAvailable } from "../../src/jose/find-algorithm.js";
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";
import type { CreateKeyOptions } from "./client.js";

/** The algorithms, in the order in which errors list them. */
export const SUPPORTED = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
] as const satisfies readonly AlgorithmName[];

/** The operation in `key_ops` (RFC 7517 §4.3) that a key needs. */
export const SIGN = "sign";

/** What Key Vault reports about a key that decides what it can sign. */
export interface DescribedKey {
  /** Such as `EC-HSM`. */
  readonly keyType?: string | undefined;
  /** Such as `P-256`. */
  readonly curve?: string | undefined;
  readonly keyOperations?: readonly string[] | undefined;
}

/** Returns the JWK's key type (RFC 7518 §6.1): without the suffix that means an HSM. */
export function jwkTypeOf(keyType = ""): string {
  return keyType.replace(/-HSM$/, "");
}

/** Returns whether the key is in an HSM, according to Key Vault. */
export function isHsmType(keyType = ""): boolean {
  return keyType.endsWith("-HSM");
}

/** Returns the algorithms that a key can sign with, according to Key Vault. */
export function jwsAlgorithmsOf({ keyType, curve, keyOperations }: DescribedKey): Algorithm[] {
  if (keyOperations && !keyOperations.includes(SIGN)) return [];
  const kty = jwkTypeOf(keyType);
  return rows().filter((row) => row.kty === kty && (row.kty !== "EC" || row.crv === curve));
}

/**
 * Returns what Key Vault needs to create a key. A new RSA key has 3,072 bits.
 *
 * @throws {SignerError} With code `misconfigured` if Key Vault doesn't have the algorithm.
 */
export function keyToCreate(algorithm: AlgorithmName | undefined, isHsm: boolean): CreateKeyOptions {
  const row = algorithmToCreate(algorithm, SUPPORTED);
  const keyType = isHsm ? `${row.kty}-HSM` : row.kty;
  if (row.kty === "EC") return { keyType, curve: row.crv };
  return row.kty === "RSA" ? { keyType, keySize: row.newModulus } : { keyType };
}

function rows(): Algorithm[] {
  const names: readonly AlgorithmName[] = SUPPORTED;
  return ALGORITHMS.filter((row) => names.includes(row.alg) && isAvailable(row));
}
