/** Proofs with a key in memory, compared with `dpop`, `jose` and bare `crypto.sign`. */
import { randomUUID } from "node:crypto";
import * as dpop from "dpop";
import { MemorySigner } from "hardproof/memory";
import { exportJWK, SignJWT } from "jose";
import { asyncCalls, interleave, ratios, syncCalls } from "./measure.js";
import { bareSign, proofMaker, request } from "./request.js";
import { perSecond, type Result, row } from "./row.js";

const { htu, nonce, accessToken } = request;
const ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const makeProof = await proofMaker(MemorySigner.generate());
  const dpopCall = await dpopProof();
  const joseCall = await joseProof();
  const rates = await interleave(
    {
      hardproof: asyncCalls(makeProof),
      hardproof8: asyncCalls(makeProof, 8),
      dpop: asyncCalls(dpopCall),
      dpop8: asyncCalls(dpopCall, 8),
      jose8: asyncCalls(joseCall, 8),
      bare: syncCalls(bareSign),
    },
    { rounds: 25, milliseconds: 80 },
  );
  const compare = (manner: string, values: number[], reference: string, references: number[], atLeast: number) =>
    row(
      { name: `proof with a memory key, ${manner}`, reference, target: { atLeast }, unit: "×" },
      ratios(values, references),
      `${perSecond(values)} vs. ${perSecond(references)}`,
    );
  return [
    compare("sequential", rates.hardproof, "dpop 2 (panva)", rates.dpop, 3),
    compare("8 concurrent", rates.hardproof8, "dpop 2 (panva)", rates.dpop8, 1.3),
    compare("8 concurrent", rates.hardproof8, "jose SignJWT", rates.jose8, 1.05),
    compare("sequential", rates.hardproof, "bare crypto.sign", rates.bare, 0.75),
    compare("8 concurrent", rates.hardproof8, "bare crypto.sign", rates.bare, 0.75),
  ];
}

async function dpopProof(): Promise<() => Promise<string>> {
  const pair = await dpop.generateKeyPair("ES256");
  return () => dpop.generateProof(pair, htu, "GET", nonce, accessToken);
}

/** jose doesn't implement DPoP. The claims are prepared, and `ath` isn't computed, which favours jose. */
async function joseProof(): Promise<() => Promise<string>> {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, [
    "sign",
  ]);
  const header = { alg: "ES256", typ: "dpop+jwt", jwk: await exportJWK(publicKey) };
  const [path] = htu.split("?");
  return () =>
    new SignJWT({ jti: randomUUID(), htm: "GET", htu: path, ath, nonce })
      .setIssuedAt()
      .setProtectedHeader(header)
      .sign(privateKey);
}
