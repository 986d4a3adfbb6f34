/** The request that every proof is for, and what node's own crypto takes for as many bytes. */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { DPoPProver, type Signer } from "hardproof";

export const request = {
  htm: "GET",
  htu: "https://api.example.com/resource?a=b",
  nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v",
  accessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
};

export type Proof = () => Promise<string>;

/** Opens the key, and makes the first proof. @returns makes one more */
export async function proofs(signer: Signer): Promise<Proof> {
  const prover = await DPoPProver.create(signer);
  await prover.makeProof(request);
  return () => prover.makeProof(request);
}

/** Header and claims of such a proof have as many. */
const message = Buffer.alloc(430, "a");
const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const privateKey = { key: pair.privateKey, dsaEncoding: "ieee-p1363" } as const;
const publicKey = { key: pair.publicKey, dsaEncoding: "ieee-p1363" } as const;
const signature = sign("sha256", message, privateKey);

export function bareSign(): Buffer {
  return sign("sha256", message, privateKey);
}

export function bareVerify(): boolean {
  return verify("sha256", message, publicKey, signature);
}
