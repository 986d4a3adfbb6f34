/** The algorithms that the tests of each store sign with. The README's table has the same rows. */
import type { AlgorithmName } from "hardproof";
import { ALGORITHMS } from "../src/jose/algorithms.js";
import { isAvailable } from "../src/jose/find-algorithm.js";

const ALL = ALGORITHMS.map(({ alg }) => alg);

/** Folder in `providers/` → algorithms. */
export const TESTED_ALGORITHMS: Readonly<Record<string, readonly AlgorithmName[]>> = {
  "aws-kms": ALL,
  "azure-kv": ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  file: ALL,
  // Cloud KMS doesn't have the others.
  "gcp-kms": ALL.filter((alg) => !["ES512", "RS384", "PS384"].includes(alg)),
  memory: ALL,
  // Those of pkcs11-provider and tpm2-openssl.
  openssl: ALL.filter((alg) => /^[ERP]S/.test(alg)),
  pkcs11: ALL,
  // SSH doesn't have the others.
  "ssh-agent": ["ES256", "ES384", "ES512", "Ed25519", "RS256", "RS512"],
  tpm: ["ES256", "ES384", "RS256", "RS384", "RS512"],
  vault: ALL,
};

/** Returns the algorithms that the tests of a store must run with on this version of Node. */
export function testedAlgorithms(folder: string): readonly AlgorithmName[] {
  const available = ALGORITHMS.filter(isAvailable).map(({ alg }) => alg);
  return available.filter((alg) => TESTED_ALGORITHMS[folder]?.includes(alg));
}
