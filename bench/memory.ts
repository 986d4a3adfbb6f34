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

export async function measure(): Promise<Result[]> {
  const ours = await proofMaker(MemorySigner.generate());
  const panva = await panvaProof();
  const jose = await joseProof();
  const rates = await interleave(
    {
      ours: asyncCalls(ours),
      ours8: asyncCalls(ours, 8),
      dpop: asyncCalls(panva),
      dpop8: asyncCalls(panva, 8),
      jose8: asyncCalls(jose, 8),
      bare: syncCalls(bareSign),
    },
    { rounds: 25, milliseconds: 80 },
  );
  const compare = (manner: string, mine: number[], reference: string, theirs: number[], atLeast: number) =>
    row(
      { name: `proof with a memory key, ${manner}`, reference, target: { atLeast }, unit: "×" },
      ratios(mine, theirs),
      `${perSecond(mine)} vs. ${perSecond(theirs)}`,
    );
  return [
    compare("sequential", rates.ours, "dpop 2 (panva)", rates.dpop, 3),
    compare("8 concurrent", rates.ours8, "dpop 2 (panva)", rates.dpop8, 1.3),
    compare("8 concurrent", rates.ours8, "jose SignJWT", rates.jose8, 1.05),
    compare("sequential", rates.ours, "bare crypto.sign", rates.bare, 0.75),
    compare("8 concurrent", rates.ours8, "bare crypto.sign", rates.bare, 0.75),
  ];
}

async function panvaProof(): Promise<() => Promise<string>> {
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
