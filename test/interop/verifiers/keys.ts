/** Keys on a throw-away token, one for each algorithm that a verifier has. */
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "hardproof/softhsm";

/** An algorithm, as the verifier's server would list it. `EdDSA` is the older name of `Ed25519`. */
export type ProofAlgorithm = "ES256" | "ES384" | "ES512" | "PS256" | "RS256" | "Ed25519" | "EdDSA";

/** Provers whose keys are on a token. */
export interface Provers {
  /** One for each algorithm, in their order. */
  readonly own: readonly [DPoPProver, ...DPoPProver[]];
  /** Has another key, of ES256. */
  readonly stranger: DPoPProver;
}

/** Calls the function with provers. Their keys exist until it returns. */
export async function withProvers<T>(
  algorithms: readonly ProofAlgorithm[],
  work: (provers: Provers) => Promise<T>,
): Promise<T> {
  await using hsm = await softHsm({ label: "verifiers" });
  const signers: Pkcs11Signer[] = [];
  try {
    for (const name of ["ES256", ...algorithms] as const) signers.push(await newSigner(hsm, name, signers.length));
    const provers = await Promise.all(signers.map((signer) => DPoPProver.create(signer)));
    const [stranger, ...own] = provers as [DPoPProver, DPoPProver, ...DPoPProver[]];
    return await work({ stranger, own });
  } finally {
    await Promise.all(signers.map((signer) => signer.close()));
  }
}

async function newSigner(hsm: SoftHsm, name: ProofAlgorithm, index: number) {
  const { module, token, pin } = hsm;
  const algorithm = name === "EdDSA" ? "Ed25519" : name;
  const key = { label: `proofs-${index}`, id: `1${index}` };
  await hsm.addKey({ ...key, algorithm });
  return new Pkcs11Signer({ module, token, key, pin, algorithm });
}
