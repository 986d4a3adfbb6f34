/** Requests that wait for a worker, in the order in which they came. */

import type { Deadline } from "../../src/deadline.js";
import type { LibraryKey } from "./library-key.js";
import type { LibraryWorker } from "./library-worker.js";
import { type Operation, type QueuedOperation, toOperation } from "./protocol.js";

/** A request of a caller. */
export interface Job {
  readonly key: LibraryKey;
  readonly operation: QueuedOperation;
  /** Its signal costs time to make: it is asked for only once the request has to wait. */
  readonly deadline: Deadline | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export class JobQueue {
  readonly #jobs: Job[] = [];

  get isEmpty(): boolean {
    return this.#jobs.length === 0;
  }

  add(job: Job): void {
    this.#jobs.push(job);
  }

  /** Puts jobs back that a worker hasn't run. */
  putBack(jobs: readonly Job[]): void {
    this.#jobs.unshift(...jobs);
  }

  /** Whether another worker could serve one of the jobs. */
  needsWorker(): boolean {
    return this.#jobs.some(({ key }) => key.canGrow);
  }

  /** Takes the jobs that a worker is to be sent now, with their operations. Half of them are left for another batch. */
  takeFor(worker: LibraryWorker, mayGrow: boolean): [Job, Operation][] {
    const most = Math.min(worker.capacity, worker.busy ? this.#jobs.length : Math.ceil(this.#jobs.length / 2));
    const taken: [Job, Operation][] = [];
    for (let index = 0; index < this.#jobs.length && taken.length < most; ) {
      const job = this.#jobs[index] as Job;
      if (!worker.accepts(job.key, mayGrow)) {
        index += 1;
        continue;
      }
      this.#jobs.splice(index, 1);
      try {
        job.key.checkAvailable();
        taken.push([job, toOperation(job.operation)]);
      } catch (error) {
        job.reject(error);
      }
    }
    return taken;
  }

  dropAbandoned(): void {
    this.#dropWhere(
      ({ deadline }) => deadline?.signal.aborted ?? false,
      ({ deadline }) => deadline?.signal.reason,
    );
  }

  rejectAll(error: unknown): void {
    this.#dropWhere(
      () => true,
      () => error,
    );
  }

  #dropWhere(isDropped: (job: Job) => boolean, reason: (job: Job) => unknown): void {
    for (const job of this.#jobs.filter(isDropped)) {
      this.#jobs.splice(this.#jobs.indexOf(job), 1);
      job.reject(reason(job));
    }
  }
}
