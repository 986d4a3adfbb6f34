/** Many concurrent proofs, and the outcome of each. */
import type { DPoPProver } from "hardproof";

/** Makes `count` proofs concurrently. */
export function proofs(prover: DPoPProver, count: number): Promise<PromiseSettledResult<string>[]> {
  const make = () => prover.makeProof({ htm: "GET", htu: "https://a.example" });
  return Promise.allSettled(Array.from({ length: count }, make));
}

/** Returns the distinct outcomes: `proof`, or the code of an error. */
export function codesOf(results: PromiseSettledResult<string>[]): Set<string> {
  return new Set(results.map((result) => (result.status === "rejected" ? result.reason.code : "proof")));
}
