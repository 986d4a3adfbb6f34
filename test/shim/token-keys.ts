/** A SoftHSM token with a key for each algorithm. */
import type { AlgorithmName } from "hardproof";
import { type SoftHsm, softHsm } from "../../softhsm/index.js";
import type { KeyType } from "../../softhsm/token.js";
import { hasMlDsa } from "../../testing/emulators/ml-dsa.js";
import { mlDsaToken } from "./ml-dsa-token.js";

/** The type of the key for each algorithm, as SoftHSM generates it. An ML-DSA key is an EC key behind `mlDsaToken`. */
export const KEY_TYPES: Readonly<Record<AlgorithmName, KeyType>> = {
  ES256: "EC:prime256v1",
  ES384: "EC:secp384r1",
  ES512: "EC:secp521r1",
  Ed25519: "EC:edwards25519",
  RS256: "rsa:2048",
  RS384: "rsa:2048",
  RS512: "rsa:4096",
  PS256: "rsa:2048",
  PS384: "rsa:2048",
  PS512: "rsa:3072",
  "ML-DSA-44": "EC:prime256v1",
  "ML-DSA-65": "EC:prime256v1",
  "ML-DSA-87": "EC:prime256v1",
};

/** Creates the token. The label of each key is its algorithm. `module` also has ML-DSA, if this version of Node does. */
export async function tokenWithKeys(label: string, algorithms: readonly AlgorithmName[]): Promise<SoftHsm> {
  const hsm = await softHsm({ label });
  for (const [index, alg] of algorithms.entries())
    await hsm.generateKey({ label: alg, id: `a${index.toString(16)}`, type: KEY_TYPES[alg] });
  if (!hasMlDsa) return hsm;
  const mlDsa = await mlDsaToken(hsm.module);
  const close = async () => {
    mlDsa.close();
    await hsm.close();
  };
  return { ...hsm, module: mlDsa.module, close, [Symbol.asyncDispose]: close };
}
