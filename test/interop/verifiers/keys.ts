/** Keys on a throw-away token, one for each algorithm that a verifier has. */
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { type SoftHsm, softHsm } from "../../../softhsm/index.js";

const KEY_TYPES = {
  ES256: "EC:prime256v1",
  ES384: "EC:secp384r1",
  ES512: "EC:secp521r1",
  PS256: "rsa:2048",
  RS256: "rsa:2048",
  Ed25519: "EC:edwards25519",
  EdDSA: "EC:edwards25519",
} as const;

/** An algorithm, as the verifier's server would list it. `EdDSA` is the older name of `Ed25519`. */
export type ProofAlgorithm = keyof typeof KEY_TYPES;

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

async function newSigner({ module, token, pin, generateKey }: SoftHsm, name: ProofAlgorithm, index: number) {
  const key = { label: `proofs-${index}`, id: `1${index}` };
  await generateKey({ ...key, type: KEY_TYPES[name] });
  return new Pkcs11Signer({ module, token, key, pin, algorithm: name === "EdDSA" ? "Ed25519" : name });
}
