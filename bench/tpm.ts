/** Proofs with a key in a TPM, which is slow: nothing of ours should be seen beside it. */
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softTpm } from "../test/tokens/index.js";
import { cSign } from "./c-sign.js";
import { quotients, sideBySide } from "./measure.js";
import { fastest, keyOn, programTurns, proofTurns } from "./pkcs11.js";
import { proofs } from "./request.js";
import { type Answer, perSecond, row } from "./row.js";

export async function measure(): Promise<Answer[]> {
  await using tpm = await softTpm({ label: "bench" });
  const key = keyOn(tpm);
  await using signer = new Pkcs11Signer(key);
  using c = await programTurns("C", () => cSign(key));
  const proof = await proofs(signer);
  const rates = await sideBySide(
    { ...c.turns, ...proofTurns("ours", proof, [1, 4]) },
    { rounds: 9, milliseconds: 600 },
  );
  const [ours, limit] = [fastest(rates, "ours"), fastest(rates, "C")];
  const question = { what: "proof with a TPM key", against: "C program on the same TPM", mark: { atLeast: 0.95 } };
  return [row({ ...question, unit: "×" }, quotients(ours, limit), `${perSecond(ours)} against ${perSecond(limit)}`)];
}
