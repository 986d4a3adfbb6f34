/**
 * Proofs with a key in a TPM, compared with the C program. A TPM is slow, so Hardproof should add nothing measurable.
 */
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softTpm } from "../test/tokens/index.js";
import { cSign } from "./c-sign.js";
import { interleave, ratios } from "./measure.js";
import { fastest, keyOn, programTurns, proofTurns } from "./pkcs11.js";
import { proofMaker } from "./request.js";
import { perSecond, type Result, row } from "./row.js";

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  await using tpm = await softTpm({ label: "bench" });
  const key = keyOn(tpm);
  await using signer = new Pkcs11Signer(key);
  using c = await programTurns("C", () => cSign(key));
  const makeProof = await proofMaker(signer);
  const rates = await interleave(
    { ...c.turns, ...proofTurns("hardproof", makeProof, [1, 4]) },
    { rounds: 9, milliseconds: 600 },
  );
  const [hardproof, limit] = [fastest(rates, "hardproof"), fastest(rates, "C")];
  const reference = "C program on the same TPM";
  return [
    row(
      { name: "proof with a TPM key", reference, target: { atLeast: 0.95 }, unit: "×" },
      ratios(hardproof, limit),
      `${perSecond(hardproof)} vs. ${perSecond(limit)}`,
    ),
  ];
}
