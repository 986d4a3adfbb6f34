/** The algorithm of the cloud benchmarks. */
import { findAlgorithm } from "../../src/jose/find-algorithm.js";

/** Returns the algorithm in HARDPROOF_BENCH_ALGORITHM. Default: ES256. */
export function benchAlgorithm() {
  const { HARDPROOF_BENCH_ALGORITHM: name = "ES256" } = process.env;
  const algorithm = findAlgorithm(name);
  if (!algorithm) throw new Error(`Unknown algorithm ${name}.`);
  return algorithm;
}
