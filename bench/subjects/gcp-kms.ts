/** Proofs with a key in Google Cloud KMS, compared with the client's `asymmetricSign` and a bare `crypto.verify`. */
import { kmsAlgorithmFor } from "../../providers/gcp-kms/algorithms.js";
import { benchAlgorithm } from "../contenders/bench-algorithm.js";
import type { Row } from "../row.js";
import type { Scale } from "../turns.js";
import { measureCloud } from "./cloud.js";

/** Returns the rows of this subject, for the algorithm in HARDPROOF_BENCH_ALGORITHM. Default: ES256. */
export function measure(scale: Scale): Promise<Row[]> {
  const algorithm = kmsAlgorithmFor(benchAlgorithm().alg);
  const beside = "the bare client + bare verify";
  return measureCloud({ name: "Google Cloud KMS", emulator: "gcp", algorithm, contenders: "gcp-kms", beside }, scale);
}
