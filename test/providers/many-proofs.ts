/** Many proofs at once, and how each of them ended. */
import type { DPoPProver } from "hardproof";

export function proofs(prover: DPoPProver, count: number): Promise<PromiseSettledResult<string>[]> {
  const make = () => prover.makeProof({ htm: "GET", htu: "https://a.example" });
  return Promise.allSettled(Array.from({ length: count }, make));
}

/** `proof`, and the codes of errors. */
export function codesOf(results: PromiseSettledResult<string>[]): Set<string> {
  return new Set(results.map((result) => (result.status === "rejected" ? result.reason.code : "proof")));
}
