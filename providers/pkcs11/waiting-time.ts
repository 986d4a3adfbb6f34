/** Which of the waiting requests can be signed inside their callers' time limits, by how long the last signatures took. */
import type { SignerError } from "../../src/errors.js";
import { isInTime, tooManyWaiting } from "../../src/keystore/queue-time.js";
import type { LibraryKey } from "./library-key.js";
import type { Job, LibraryWorker } from "./library-worker.js";

/** Estimates when waiting requests will be signed. Counts those that wait before them. */
export class WaitingTime {
  readonly #workers: number;
  readonly #milliseconds: number;
  readonly #ofKey = new Map<LibraryKey, number>();
  #ahead = 0;

  readonly #oneAtATime: boolean;

  /**
   * @param workers - All workers of the library.
   * @param ahead - How many requests wait already.
   * @param oneAtATime - Whether there is never more than one worker.
   */
  constructor(workers: ReadonlySet<LibraryWorker>, { ahead, oneAtATime }: { ahead: number; oneAtATime: boolean }) {
    this.#workers = workers.size;
    this.#ahead = ahead;
    this.#oneAtATime = oneAtATime;
    // The fastest worker, because the first signature of the others may include a login.
    this.#milliseconds = Math.min(...[...workers].map((worker) => worker.signatureTime));
  }

  /** Counts a request, unless it can't be signed in time. Returns the error for its caller then. */
  add({ key, operation, deadline }: Job): SignerError | undefined {
    const ahead = this.#ahead;
    const aheadOfKey = this.#ofKey.get(key) ?? 0;
    const wait = this.#waitBehind(ahead, aheadOfKey, key);
    if (operation.name === "sign" && !isInTime(wait, deadline?.timeLeft))
      return tooManyWaiting(ahead, wait, deadline?.timeLeft);
    this.#ahead = ahead + 1;
    this.#ofKey.set(key, aheadOfKey + 1);
    return undefined;
  }

  /** Returns milliseconds; 0 if too little has been signed to know. */
  #waitBehind(ahead: number, aheadOfKey: number, key: LibraryKey): number {
    if (!Number.isFinite(this.#milliseconds)) return 0;
    const maxWorkers = this.#oneAtATime ? 1 : key.maxWorkers;
    const turns = Math.max(ahead / Math.max(maxWorkers, this.#workers), aheadOfKey / maxWorkers);
    return (turns + 1) * this.#milliseconds;
  }
}
