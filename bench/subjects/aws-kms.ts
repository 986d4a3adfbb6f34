/** Proofs with a key in AWS KMS, compared with the SDK's `Sign` request, by a client without further configuration. */
import { KMS_ALGORITHMS } from "../../providers/aws-kms/algorithms.js";
import { benchAlgorithm } from "../contenders/bench-algorithm.js";
import type { Row } from "../row.js";
import type { Scale } from "../turns.js";
import { measureCloud } from "./cloud.js";

/** Returns the rows of this subject, for the algorithm in HARDPROOF_BENCH_ALGORITHM. Default: ES256. */
export function measure(scale: Scale): Promise<Row[]> {
  const [algorithm] = KMS_ALGORITHMS[benchAlgorithm().alg].keySpecs;
  const beside = "the bare client";
  return measureCloud({ name: "AWS KMS", emulator: "aws", algorithm, contenders: "aws-kms", beside }, scale);
}
