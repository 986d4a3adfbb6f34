/**
 * `loop.ts CONNECTIONS`: one process with every SDK loaded, and a key in each kind of store. "WORK MILLISECONDS" answers
 * "LONGEST P99": the delays of a timer, in milliseconds, while it works. CONNECTIONS is JSON: `{ pkcs11, aws, gcp, url }`.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import { DPoPProver, dpopFetch } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { answer, type Call, callFor } from "./answer.js";
import { proofMaker, request } from "./request.js";

const { pkcs11, aws, gcp, url } = JSON.parse(process.argv[2] ?? "{}");
const { key: awsKey, ...clientConfig } = aws;
const onToken = await proofMaker(new Pkcs11Signer({ ...pkcs11, pin: process.env.HARDPROOF_PIN ?? "" }));
const inAws = await proofMaker(new KmsSigner(awsKey, { clientConfig }));
const inGoogle = await proofMaker(new GcpKmsSigner(gcp.key, { endpoint: gcp.endpoint }));
const inMemory = await proofMaker(MemorySigner.generate());
const boundFetch = dpopFetch({ prover: await DPoPProver.generate(), token: request.accessToken });

const many = (callers: number, call: Call) => delays((milliseconds) => callFor(milliseconds, call, callers));
await answer("ready", {
  idle: delays((milliseconds) => setTimeout(milliseconds)),
  memory: delays(() => Promise.all(Array.from({ length: 10_000 }, inMemory))),
  softhsm: many(8, onToken),
  aws: many(200, inAws),
  gcp: many(200, inGoogle),
  fetch: many(256, async () => (await boundFetch(url)).text()),
});

/** Measures the interval between two ticks of a 1 ms timer. */
function delays(work: (milliseconds: number) => Promise<unknown>): (milliseconds?: string) => Promise<string> {
  return async (milliseconds) => {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await work(Number(milliseconds));
    await setTimeout(2); // The timer's tick after the work sees a stop at its end.
    delay.disable();
    return `${delay.max / 1e6} ${delay.percentile(99) / 1e6}`;
  };
}
