/** A SoftHSM token with a key for each algorithm. */
import type { AlgorithmName } from "hardproof";
import { type KeyOptions, softHsm } from "hardproof/softhsm";
import { hasMlDsa } from "../../testing/emulators/ml-dsa.js";
import { mlDsaToken } from "./ml-dsa-token.js";

/** The key to generate for each algorithm. An ML-DSA key is an EC key behind `mlDsaToken`. */
export function keyFor(algorithm: AlgorithmName): Pick<KeyOptions, "algorithm" | "modulusLength"> {
  if (algorithm.startsWith("ML-DSA")) return { algorithm: "ES256" };
  const modulusLength = { RS512: 4096, PS512: 3072 }[algorithm as string];
  return { algorithm, modulusLength };
}

/** Creates the token. The label of each key is its algorithm. `module` also has ML-DSA, if this version of Node does. */
export async function tokenWithKeys(label: string, algorithms: readonly AlgorithmName[]) {
  const keys = algorithms.map((alg, index) => ({ label: alg, id: `a${index.toString(16)}`, ...keyFor(alg) }));
  const hsm = await softHsm({ label, keys: [{ label: "dpop" }, ...keys] });
  const mlDsa = hasMlDsa ? await mlDsaToken(hsm.module) : undefined;
  const close = async () => {
    mlDsa?.close();
    await hsm.close();
  };
  return { hsm, module: mlDsa?.module ?? hsm.module, close };
}
