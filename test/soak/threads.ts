/**
 * Terminates worker threads of an application at random while they open, sign and close, some of them with a wrong PIN, and
 * while the main thread signs.
 */
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { Pkcs11Signer } from "hardproof/pkcs11";

/** How to run. */
export interface ThreadsOptions {
  /** The duration of the run. */
  milliseconds: number;
  /**
   * Starts a thread that runs test/processes/signing-thread.ts.
   *
   * @param pin - A wrong PIN to use instead of the right one.
   */
  start(pin?: string): Worker;
  /** Returns how many logins the token has rejected. */
  wrongPins(): number;
  /** Returns a new signer for the main thread. */
  newSigner(): Pkcs11Signer;
}

/** The figures of one run. */
export interface ThreadsReport {
  /** The number of threads that were started and terminated. */
  readonly threads: number;
  /** The number of signatures of the main thread. */
  readonly signatures: number;
  /** For each of the wrong PINs that the threads used: how many times it was tried. */
  readonly triesPerWrongPin: number;
  /** The longest time for which the main thread's event loop was blocked, in milliseconds. */
  readonly longestBlock: number;
}

const CONCURRENT_THREADS = 2;
const WRONG_PINS = ["wrong in soak 1", "wrong in soak 2", "wrong in soak 3"];

/**
 * Runs until the time is over.
 *
 * @throws {SignerError} If a signature of the main thread fails.
 */
export async function terminateAtRandom({
  milliseconds,
  start,
  wrongPins,
  newSigner,
}: ThreadsOptions): Promise<ThreadsReport> {
  const before = wrongPins();
  // While a user is logged in, a wrong PIN is rejected without a login, so they are also used before and after that.
  const useWrongPins = async () => {
    for (const pin of WRONG_PINS) await signOnce(start(pin));
  };
  await useWrongPins();
  const until = performance.now() + milliseconds;
  const isOver = () => performance.now() > until;
  let [threads, signatures, longestBlock, last] = [0, 0, 0, performance.now()];
  const timer = setInterval(() => {
    longestBlock = Math.max(longestBlock, performance.now() - last);
    last = performance.now();
  }, 5);
  const runThreads = async () => {
    for (; !isOver(); threads++) await runOnce(start(randomPin()));
  };
  const running = Promise.all(Array.from({ length: CONCURRENT_THREADS }, runThreads));
  while (!isOver()) {
    signatures += await signAndClose(newSigner());
    // Without a pause a user would always be logged in.
    await setTimeout(300 * Math.random());
  }
  await running;
  await useWrongPins();
  clearInterval(timer);
  const triesPerWrongPin = (wrongPins() - before) / WRONG_PINS.length;
  return { threads, signatures, triesPerWrongPin, longestBlock };
}

async function signAndClose(signer: Pkcs11Signer): Promise<number> {
  await using open = signer;
  return (await Promise.all(Array.from({ length: 10 }, (_, n) => open.sign(Buffer.from([n]))))).length;
}

async function signOnce(thread: Worker): Promise<void> {
  thread.postMessage(1);
  await once(thread, "message");
  await thread.terminate();
}

/** Returns a wrong PIN for half of the threads. */
function randomPin(): string | undefined {
  return Math.random() < 0.5 ? undefined : WRONG_PINS[Math.floor(Math.random() * WRONG_PINS.length)];
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
