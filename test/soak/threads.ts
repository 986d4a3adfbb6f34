/** Terminates worker threads of an application at random while they open, sign and close, and while the main thread signs. */
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Pkcs11Signer } from "hardproof/pkcs11";

/** How to run. */
export interface ThreadsOptions {
  /** The duration of the run. */
  milliseconds: number;
  /** Starts a thread that runs test/processes/signing-thread.ts. */
  start(): Worker;
  /** Returns a new signer for the main thread. */
  newSigner(): Pkcs11Signer;
}

/** The figures of one run. */
export interface ThreadsReport {
  /** The number of threads that were started and terminated. */
  readonly threads: number;
  /** The number of signatures of the main thread. */
  readonly signatures: number;
  /** The longest time for which the main thread's event loop was blocked, in milliseconds. */
  readonly longestBlock: number;
}

const CONCURRENT_THREADS = 2;

/**
 * Runs until the time is over.
 *
 * @throws {SignerError} If a signature of the main thread fails.
 */
export async function terminateAtRandom({ milliseconds, start, newSigner }: ThreadsOptions): Promise<ThreadsReport> {
  const until = performance.now() + milliseconds;
  const isOver = () => performance.now() > until;
  let [threads, signatures, longestBlock, last] = [0, 0, 0, performance.now()];
  const timer = setInterval(() => {
    longestBlock = Math.max(longestBlock, performance.now() - last);
    last = performance.now();
  }, 5);
  const runThreads = async () => {
    for (; !isOver(); threads++) await runOnce(start());
  };
  const running = Promise.all(Array.from({ length: CONCURRENT_THREADS }, runThreads));
  while (!isOver()) {
    await using signer = newSigner();
    signatures += (await Promise.all(Array.from({ length: 10 }, (_, n) => signer.sign(Buffer.from([n]))))).length;
  }
  await running;
  clearInterval(timer);
  return { threads, signatures, longestBlock };
}

async function runOnce(thread: Worker): Promise<void> {
  thread.postMessage(20);
  await Promise.race([once(thread, "message"), setTimeout(500 + 500 * Math.random())]);
  thread.postMessage(Math.random() < 0.5 ? "close" : 50);
  await setTimeout(100 * Math.random());
  await thread.terminate();
}

/** Starts a thread that runs the program. A worker thread doesn't inherit the TypeScript loader, so it registers tsx first. */
export function startThread(program: URL, env: NodeJS.ProcessEnv): Worker {
  const load = `import("tsx/esm/api").then(({ register }) => (register(), import(${JSON.stringify(program.href)})))`;
  return new Worker(load, { eval: true, env });
}
