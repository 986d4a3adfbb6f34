/** The requests that wait for a worker, in order of arrival. */
import type { Deadline } from "../../src/deadline.js";
import type { LibraryKey } from "./library-key.js";
import type { LibraryWorker } from "./library-worker.js";
import { type Operation, type QueuedOperation, toOperation } from "./protocol.js";

/** A request of a caller. */
export interface Job {
  readonly key: LibraryKey;
  readonly operation: QueuedOperation;
  /** Creating its signal takes time, so it is read only after the request had to wait. */
  readonly deadline: Deadline | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** The queue of one library. */
export class JobQueue {
  readonly #jobs: Job[] = [];

  get isEmpty(): boolean {
    return this.#jobs.length === 0;
  }

  add(job: Job): void {
    this.#jobs.push(job);
  }

  /** Puts jobs that a worker hasn't run at the front of the queue. */
  putBack(jobs: readonly Job[]): void {
    this.#jobs.unshift(...jobs);
  }

  /** Whether another worker could serve one of the jobs. */
  needsWorker(): boolean {
    return this.#jobs.some(({ key }) => key.canGrow);
  }

  /**
   * Takes the jobs to send to a worker now, with their operations. An idle worker leaves half of them for another batch.
   *
   * @param mayGrow - Whether further workers may be started.
   */
  takeFor(worker: LibraryWorker, mayGrow: boolean): [Job, Operation][] {
    const limit = Math.min(worker.capacity, worker.busy ? this.#jobs.length : Math.ceil(this.#jobs.length / 2));
    const taken: [Job, Operation][] = [];
    for (let index = 0; index < this.#jobs.length && taken.length < limit; ) {
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

  /** Rejects the jobs whose caller has aborted or timed out. */
  dropAbandoned(): void {
    this.#dropWhere(
      ({ deadline }) => deadline?.signal.aborted ?? false,
      ({ deadline }) => deadline?.signal.reason,
    );
  }

  /** Rejects all jobs. */
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
