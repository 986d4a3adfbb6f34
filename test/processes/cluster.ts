/**
 * A cluster whose primary opens the key before it forks. Two workers sign; after one is killed, the other and the primary
 * sign again. Prints the number of signatures of each request.
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { Pkcs11Signer } from "../../providers/pkcs11/index.js";
import { signerOptions } from "./options.js";

const signer = new Pkcs11Signer(signerOptions());
const sign = async (count: number) =>
  (await Promise.all(Array.from({ length: count }, (_, n) => signer.sign(Buffer.from(`${n}`))))).length;

if (cluster.isPrimary) await primary();
else worker();

async function primary(): Promise<void> {
  await sign(1);
  const [one, other] = [cluster.fork(), cluster.fork()];
  await Promise.all([once(one, "message"), once(other, "message")]);
  const counts = await Promise.all([requestSignatures(one, 50), requestSignatures(other, 50), sign(50)]);
  one.kill();
  await once(one, "exit");
  counts.push(await requestSignatures(other, 50), await sign(50));
  other.send("end");
  await once(other, "exit");
  await signer.close();
  console.log(counts.join(" "));
}

async function requestSignatures(worker: Worker, count: number): Promise<number> {
  worker.send(count);
  const [signatures] = await once(worker, "message");
  return Number(signatures);
}

function worker(): void {
  process.on("message", async (message) => {
    if (message !== "end") return process.send?.(await sign(Number(message)));
    await signer.close();
    return process.exit();
  });
  process.send?.("ready");
}
