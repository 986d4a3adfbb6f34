/** Many requests at once with a slow key, to a server that refuses old proofs. */
import { DPoPProver, dpopFetch, type Signer } from "hardproof";
import { decodeJwt, EmbeddedJWK, jwtVerify } from "jose";
import { json, stubServer } from "../servers/stub-server.js";

/** What came of a burst. */
export interface BurstReport {
  /** How many requests had each outcome: an HTTP status, or the code of an error. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Seconds. The largest age of a proof that reached the server. */
  readonly oldest: number;
  /** The most signatures of other proofs that the store returned while one proof existed and wasn't signed. */
  readonly longestWait: number;
}

/** Limits of a burst. */
export interface BurstOptions {
  readonly requests: number;
  /** Seconds. The server refuses an older proof with 401. `iat` has whole seconds, so a new proof may seem one second old. */
  readonly maxAge: number;
}

/** Sends all requests at once, each with a proof by the signer. */
export async function proofBurst(signer: Signer, { requests, maxAge }: BurstOptions): Promise<BurstReport> {
  const server = await stubServer();
  let oldest = 0;
  server.respondWith((response, request, turn) => {
    const proof = String(request.headers.dpop);
    const age = Date.now() / 1000 - (decodeJwt(proof).iat ?? 0);
    oldest = Math.max(oldest, age);
    void jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt" }).then(
      () => json(age > maxAge ? 401 : 200, {})(response, request, turn),
      () => json(400, {})(response, request, turn),
    );
  });
  const longestWait = countWaits(signer);
  const call = dpopFetch({ prover: await DPoPProver.create(signer), token: "token" });
  const send = async () => {
    const response = await call(server.origin);
    await response.arrayBuffer();
    return String(response.status);
  };
  const outcomes: Record<string, number> = {};
  const all = Array.from({ length: requests }, () => send().catch((error) => String(error.code ?? error)));
  for (const outcome of await Promise.all(all)) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  await server.close();
  return { outcomes, oldest, longestWait: longestWait() };
}

/**
 * Counts what a message waits for in signatures, because the speed of a busy machine doesn't change their number.
 *
 * @returns A function that returns the longest wait so far.
 */
function countWaits(signer: Signer): () => number {
  const sign = signer.sign.bind(signer);
  let [signed, longest] = [0, 0];
  signer.sign = async (data, options) => {
    let madeAt = signed;
    const message = () => {
      madeAt = signed;
      return typeof data === "function" ? data() : data;
    };
    const signature = await sign(message, options);
    longest = Math.max(longest, signed - madeAt);
    signed += 1;
    return signature;
  };
  return () => longest;
}
