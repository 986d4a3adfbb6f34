/** The JWS algorithms that the tests of Key Vault sign with, each with a key type. */
import type { AlgorithmName } from "hardproof";
import type { VersionOptions } from "../../../testing/emulators/azure-kv-keys.js";

/** The rows are written independently of the provider's. RSA keys of 2,048 bits are the fastest to generate. */
export const ROWS: readonly (readonly [AlgorithmName, VersionOptions, digestBytes: number])[] = [
  ["ES256", { kty: "EC", curve: "P-256" }, 32],
  ["ES384", { kty: "EC", curve: "P-384" }, 48],
  ["ES512", { kty: "EC", curve: "P-521" }, 64],
  ["RS256", { kty: "RSA" }, 32],
  ["RS384", { kty: "RSA" }, 48],
  ["RS512", { kty: "RSA", keySize: 3072 }, 64],
  ["PS256", { kty: "RSA" }, 32],
  ["PS384", { kty: "RSA" }, 48],
  ["PS512", { kty: "RSA", keySize: 4096 }, 64],
];
