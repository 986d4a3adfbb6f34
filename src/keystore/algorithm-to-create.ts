/** The algorithm of a new key. */
import { type Algorithm, type AlgorithmName, ES256 } from "../jose/algorithms.js";
import { algorithmNamed } from "../jose/find-algorithm.js";
import { misconfigured } from "./signer-error.js";

/**
 * Returns the algorithm that a key is created for.
 *
 * @param algorithm - The caller's option. Default: `ES256`.
 * @param supported - The algorithms of which the store can create keys.
 * @throws {SignerError} With code `misconfigured` if the store can't create such a key.
 */
export function algorithmToCreate(
  algorithm: AlgorithmName | undefined,
  supported: readonly AlgorithmName[],
): Algorithm {
  const row = algorithmNamed(algorithm ?? ES256.alg);
  if (supported.includes(row.alg)) return row;
  const remedy = `Set algorithm (in the command: --alg) to one of ${supported.join(", ")}, or create the key with the store's own tool.`;
  throw misconfigured(`This provider can't create keys for ${row.alg}. ${remedy}`);
}
