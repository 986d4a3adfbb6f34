/** Proofs with a key in this process's memory, beside `dpop`, `jose`, and what bare `crypto.sign` takes. */
import { randomUUID } from "node:crypto";
import * as dpop from "dpop";
import { MemorySigner } from "hardproof/memory";
import { exportJWK, SignJWT } from "jose";
import { awaited, blocking, quotients, sideBySide } from "./measure.js";
import { bareSign, proofs, request } from "./request.js";
import { type Answer, perSecond, row } from "./row.js";

const { htu, nonce, accessToken } = request;
const ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

export async function measure(): Promise<Answer[]> {
  const ours = await proofs(MemorySigner.generate());
  const panva = await panvaProof();
  const jose = await joseProof();
  const rates = await sideBySide(
    {
      ours: awaited(ours),
      ours8: awaited(ours, 8),
      dpop: awaited(panva),
      dpop8: awaited(panva, 8),
      jose8: awaited(jose, 8),
      bare: blocking(bareSign),
    },
    { rounds: 25, milliseconds: 80 },
  );
  const beside = (what: string, mine: number[], against: string, theirs: number[], atLeast: number) =>
    row(
      { what: `proof with a memory key, ${what}`, against, mark: { atLeast }, unit: "×" },
      quotients(mine, theirs),
      `${perSecond(mine)} against ${perSecond(theirs)}`,
    );
  return [
    beside("one at a time", rates.ours, "dpop 2 (panva)", rates.dpop, 3),
    beside("8 at once", rates.ours8, "dpop 2 (panva)", rates.dpop8, 1.3),
    beside("8 at once", rates.ours8, "jose SignJWT", rates.jose8, 1.05),
    beside("one at a time", rates.ours, "bare crypto.sign", rates.bare, 0.75),
    beside("8 at once", rates.ours8, "bare crypto.sign", rates.bare, 0.75),
  ];
}

async function panvaProof(): Promise<() => Promise<string>> {
  const pair = await dpop.generateKeyPair("ES256");
  return () => dpop.generateProof(pair, htu, "GET", nonce, accessToken);
}

/** jose knows no DPoP: its caller has the claims ready, and no `ath` to compute. */
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
