/**
 * Which threads of this process use PKCS#11: `C_Finalize` in one kills the sessions of all. Each says so in memory that
 * all share, so that a worker which only writes logs keeps nobody from restarting a library.
 */
import {
  BroadcastChannel,
  getEnvironmentData,
  isMainThread,
  type MessagePort,
  receiveMessageOnPort,
  setEnvironmentData,
  threadId,
  type Worker,
} from "node:worker_threads";

const NAME = "hardproof.pkcs11.threads";
/** Whether a thread is finalising; then one place for each thread, by its id, which stands in it. */
const FINALIZING = 0;
const PLACES = 4096;
const place = (id: number) => 1 + (id % (PLACES - 1));

const shared = sharedMemory();
/** On which threads that share no memory with the main thread say that they use PKCS#11. */
const others = new BroadcastChannel(NAME);
let heard = false;
others.onmessage = () => {
  heard = true;
};
others.unref();
let uses = 0;

/** To be called before the first call into a library, and as often as {@link endUse}. */
export function beginUse(): void {
  uses += 1;
  if (shared) takePlace(shared);
  else others.postMessage("in use");
}

function takePlace(shared: Int32Array): void {
  Atomics.store(shared, place(threadId), 1 + threadId);
  // Either the one that finalises sees us, or we see it: it is done in a moment.
  while (Atomics.load(shared, FINALIZING) === 1) Atomics.wait(shared, FINALIZING, 1);
}

export function endUse(): void {
  uses -= 1;
  if (shared && uses === 0) Atomics.compareExchange(shared, place(threadId), 1 + threadId, 0);
}

/** Finalises, unless another thread uses PKCS#11, or may be using it. @returns whether it did */
export function finalizeIfAlone(finalize: () => void): boolean {
  if (!shared || hasHeardOfOthers()) return false;
  if (Atomics.compareExchange(shared, FINALIZING, 0, 1) !== 0) return false;
  try {
    const alone = shared.every((used, index) => used === 0 || index === FINALIZING || index === place(threadId));
    if (alone) finalize();
    return alone;
  } finally {
    Atomics.store(shared, FINALIZING, 0);
    Atomics.notify(shared, FINALIZING);
  }
}

/** `undefined` in a thread that was made before the main thread had it. */
function sharedMemory(): Int32Array | undefined {
  const inherited = getEnvironmentData(NAME);
  if (inherited instanceof SharedArrayBuffer) return new Int32Array(inherited);
  if (!isMainThread) return undefined;
  const memory = new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT);
  setEnvironmentData(NAME, memory);
  const places = new Int32Array(memory);
  // A thread that is ended from outside says no goodbye.
  process.on("worker", (worker: Worker) => {
    const { threadId } = worker;
    worker.once("exit", () => Atomics.compareExchange(places, place(threadId), 1 + threadId, 0));
  });
  return places;
}

/** Whether a thread that shares no memory with us has ever used PKCS#11. It is then taken to go on. */
function hasHeardOfOthers(): boolean {
  // It takes a channel, too: its types don't know.
  heard ||= receiveMessageOnPort(others as unknown as MessagePort) !== undefined;
  return heard;
}
