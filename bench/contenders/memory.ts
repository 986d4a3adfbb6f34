/** `memory.ts NAME`: proofs with a key in memory, and what they are compared with. */
import { randomUUID } from "node:crypto";
import * as dpop from "dpop";
import { MemorySigner } from "hardproof/memory";
import { exportJWK, SignJWT } from "jose";
import { type Call, compete } from "./answer.js";
import { bareSign, bareVerify, proofMaker, request } from "./request.js";

const { htu, nonce, accessToken } = request;
const ath = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";

const contenders: Readonly<Record<string, () => Call | Promise<Call>>> = {
  hardproof: () => proofMaker(MemorySigner.generate()),
  dpop: dpopProof,
  jose: joseProof,
  sign: () => bareSign,
  verify: () => bareVerify,
};
await compete((await contenders[process.argv[2] ?? ""]?.()) ?? (() => undefined));

async function dpopProof(): Promise<Call> {
  const pair = await dpop.generateKeyPair("ES256");
  return () => dpop.generateProof(pair, htu, "GET", nonce, accessToken);
}

/** jose doesn't implement DPoP. The claims are prepared, and `ath` isn't computed, which favours jose. */
async function joseProof(): Promise<Call> {
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
