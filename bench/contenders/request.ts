/** The request that every proof is for, and bare signatures of `node:crypto` over as many bytes. */
import { generateKeyPairSync, sign, verify } from "node:crypto";
import { DPoPProver, type Signer } from "hardproof";

/** The claims of every proof, and its access token. */
export const request = {
  htm: "GET",
  htu: "https://api.example.com/resource?a=b",
  nonce: "eyJ7S_zG.eyJH0-Z.HX4w-7v",
  accessToken: "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
};

/** Makes one proof. */
export type MakeProof = () => Promise<string>;

/** Opens the key and makes the first proof. Returns a function that makes another one. */
export async function proofMaker(signer: Signer): Promise<MakeProof> {
  const prover = await DPoPProver.create(signer);
  await prover.makeProof(request);
  return () => prover.makeProof(request);
}

/** As long as the header and claims of such a proof. */
const message = Buffer.alloc(430, "a");
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const signature = sign("sha256", message, privateKey);

/**
 * Signs as many bytes as a proof has. The key without options makes a DER signature. That is the fastest form on every
 * Node: with `dsaEncoding`, Node 24 takes twice as long.
 */
export function bareSign(): Buffer {
  return sign("sha256", message, privateKey);
}

/** Verifies such a signature. */
export function bareVerify(): boolean {
  return verify("sha256", message, publicKey, signature);
}
