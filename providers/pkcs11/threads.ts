/** Whether other threads of this process may be using the library: `C_Finalize` in one kills the sessions of all. */
import { isMainThread, type Worker } from "node:worker_threads";

/** Those made since we began to look; one that keeps nobody waiting (`unref`) is in no other list. */
const workers = new Set<Worker>();
let watching = false;

export function watchThreads(): void {
  if (watching || !isMainThread) return;
  watching = true;
  process.on("worker", (worker) => {
    workers.add(worker);
    worker.once("exit", () => workers.delete(worker));
  });
}

/** Only a main thread without workers can know that it is alone. */
export function mayBeSharedWithThreads(): boolean {
  return !isMainThread || workers.size > 0 || process.getActiveResourcesInfo().includes("Worker");
}
