/**
 * `replicas.ts FIRST SECOND HEDGE-AFTER`: proofs by a `replicaSigner` of two tokens, or by the second token alone without
 * HEDGE-AFTER. FIRST and SECOND are options of `Pkcs11Signer` as JSON, with the PIN in HARDPROOF_PIN. "p99 CALLERS
 * MILLISECONDS" answers the 99th percentile of the time of one proof, in milliseconds.
 */
import { replicaSigner } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { percentile } from "../median.js";
import { answer, callFor, turn } from "./answer.js";
import { proofMaker } from "./request.js";

const [first = "{}", second = "{}", hedgeAfter] = process.argv.slice(2);
const signerOf = (options: string) =>
  new Pkcs11Signer({ ...JSON.parse(options), pin: process.env.HARDPROOF_PIN ?? "" });
const hedge = hedgeAfter === "never" ? {} : { hedgeAfter: Number(hedgeAfter) };
const signer = hedgeAfter === undefined ? signerOf(second) : replicaSigner([signerOf(first), signerOf(second)], hedge);
const makeProof = await proofMaker(signer);

await answer("ready", {
  turn: (callers, milliseconds) => turn(makeProof, Number(callers), Number(milliseconds)),
  p99: async (callers, milliseconds) => {
    const times: number[] = [];
    const timed = async () => {
      const start = performance.now();
      await makeProof();
      times.push(performance.now() - start);
    };
    await callFor(Number(milliseconds), timed, Number(callers));
    return percentile(times, 99);
  },
});
