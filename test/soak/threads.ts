/** Worker threads of an application that open, sign and close, and are terminated at random, while the main thread signs. */
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Pkcs11Signer } from "hardproof/pkcs11";

export interface ThreadsOptions {
  milliseconds: number;
  /** Returns a thread that runs test/processes/signing-thread.ts. */
  start(): Worker;
  /** Returns a signer of the main thread. */
  newSigner(): Pkcs11Signer;
}

export interface ThreadsReport {
  readonly threads: number;
  readonly signatures: number;
  /** Milliseconds: the longest time for which the main thread's event loop stopped. */
  readonly longestStop: number;
}

const LIVES = 2;

/** @throws what a signer of the main thread throws */
export async function terminateAtRandom({ milliseconds, start, newSigner }: ThreadsOptions): Promise<ThreadsReport> {
  const until = performance.now() + milliseconds;
  const isOver = () => performance.now() > until;
  let [threads, signatures, longestStop, last] = [0, 0, 0, performance.now()];
  const timer = setInterval(() => {
    longestStop = Math.max(longestStop, performance.now() - last);
    last = performance.now();
  }, 5);
  const live = async () => {
    for (; !isOver(); threads++) await liveOnce(start());
  };
  const lives = Promise.all(Array.from({ length: LIVES }, live));
  while (!isOver()) {
    await using signer = newSigner();
    signatures += (await Promise.all(Array.from({ length: 10 }, (_, n) => signer.sign(Buffer.from([n]))))).length;
  }
  await lives;
  clearInterval(timer);
  return { threads, signatures, longestStop };
}

async function liveOnce(thread: Worker): Promise<void> {
  thread.postMessage(20);
  await Promise.race([once(thread, "message"), setTimeout(500 + 500 * Math.random())]);
  thread.postMessage(Math.random() < 0.5 ? "close" : 50);
  await setTimeout(100 * Math.random());
  await thread.terminate();
}

/** Returns a thread that runs the program. A worker thread has to register TypeScript for itself. */
export function startThread(program: URL, env: NodeJS.ProcessEnv): Worker {
  const load = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(program.href)})))`;
  return new Worker(load, { eval: true, env });
}
