/**
 * The workers of one library, and the requests that wait for them. One worker serves a fast token. Further workers are
 * started if the token is slow or a call is stuck.
 */
import { SignerError } from "../../src/errors.js";
import { KeyError } from "./failure.js";
import type { Job, LibraryWorker } from "./library-worker.js";
import type { Opened } from "./protocol.js";
import { WaitingTime } from "./waiting-time.js";

/** Milliseconds that a request waits before another worker is started for it. */
const SLOW = 5;
/** Milliseconds between two checks of whether all waiting requests can still be run in time. */
const REFUSAL_PERIOD = 100;

/** Starts workers, and distributes the requests among them. */
export class WorkerPool {
  readonly workers = new Set<LibraryWorker>();
  /** Whether calls must not overlap. The pool then has only one worker. */
  oneAtATime = false;
  readonly #startWorker: () => Promise<LibraryWorker>;
  readonly #progressed: () => void;
  /** In order of arrival. */
  readonly #queue: Job[] = [];
  #starting: Promise<void> | undefined;
  #isPaused = false;
  #isDispatching = false;
  #timer: NodeJS.Timeout | undefined;
  #refusedAt = 0;

  /**
   * @param startWorker - Starts a worker, and initialises the library in it.
   * @param progressed - Called when a worker has responded, started or ended.
   */
  constructor(startWorker: () => Promise<LibraryWorker>, progressed: () => void) {
    this.#startWorker = startWorker;
    this.#progressed = progressed;
  }

  /** Whether no call is in flight, apart from those that wait for the library to be restarted. */
  get isQuiet(): boolean {
    return !this.#starting && [...this.workers].every((worker) => !worker.busy || worker.waitsForRestart);
  }

  get isIdle(): boolean {
    return ![...this.workers].some((worker) => worker.busy);
  }

  /** Runs a job. Rejects it at once if it can't be run inside its time limit. */
  run(job: Job): void {
    const refusal = this.#waitingTime(this.#queue.length).add(job);
    if (refusal) job.reject(refusal);
    else this.#queue.push(job);
    this.#dispatchSoon();
  }

  /** Stops sending requests and starting workers until {@link resume}. Requests that haven't begun go back to the queue. */
  pause(): void {
    this.#isPaused = true;
    for (const worker of this.workers) this.#queue.unshift(...worker.withdraw());
  }

  resume(): void {
    this.#isPaused = false;
    this.#dispatchSoon();
  }

  /** @throws {SignerError} If the worker, or the library in it, can't be started. */
  start(): Promise<void> {
    this.#starting ??= this.#startWorker()
      .then((worker) => void this.workers.add(worker))
      .finally(() => {
        this.#starting = undefined;
        this.#progressed();
      });
    return this.#starting;
  }

  /** Waits until no worker is being started. */
  async started(): Promise<void> {
    await this.#starting?.catch(() => undefined);
  }

  /** Ends the workers, which are idle, and rejects the requests that are still queued. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    for (const { reject } of this.#queue.splice(0)) reject(new SignerError("aborted", "The signer was closed."));
    await Promise.all([...this.workers].map((worker) => worker.end()));
  }

  /** Dispatches after all callers of this turn have queued their requests, so that they are sent together. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    process.nextTick(() => {
      this.#isDispatching = false;
      if (!this.#isPaused) this.#dispatch();
    });
  }

  /** Fills a fast worker before it uses others, which would only compete with the event loop for a core. */
  #dispatch(): void {
    const workers = [...this.workers];
    const rank = (worker: LibraryWorker) => (worker.isFast ? 0 : worker.busy ? 2 : 1);
    for (const worker of workers.sort((one, other) => rank(one) - rank(other)))
      for (const job of this.#takeFor(worker)) void this.#send(worker, job);
    if (this.#queue.length > 0 && workers.length === 0) void this.#startForQueue();
    else if (this.#queue.length > 0 || workers.some((worker) => worker.hasRequestsAhead))
      // The responses that have arrived are read before the check.
      this.#timer ??= setTimeout(() => setImmediate(() => this.#checkProgress()), SLOW);
  }

  #takeFor(worker: LibraryWorker): Job[] {
    const taken: Job[] = [];
    for (let capacity = worker.capacity, index = 0; capacity > 0 && index < this.#queue.length; )
      if (worker.accepts((this.#queue[index] as Job).key, !this.oneAtATime)) {
        taken.push(...this.#queue.splice(index, 1));
        capacity -= 1;
      } else index += 1;
    return taken;
  }

  async #send(worker: LibraryWorker, job: Job): Promise<void> {
    try {
      const result = await worker.run(job);
      // A job that was withdrawn is in the queue again.
      if (result) this.#succeed(job, result.value);
    } catch (error) {
      this.#fail(worker, job, error);
    }
    this.#dispatchSoon();
    this.#progressed();
  }

  #succeed({ key, operation, resolve }: Job, value: unknown): void {
    key.succeeded();
    if (operation.name === "open") key.opened(value as Opened);
    resolve(value);
  }

  #fail(worker: LibraryWorker, job: Job, error: unknown): void {
    const { key, operation, reject } = job;
    const isLost = error instanceof KeyError && error.reason === "lost";
    if (isLost) {
      this.#queue.unshift(...worker.withdraw());
      reject(key.lost(error.cause as SignerError));
    } else if (error instanceof KeyError) {
      key.sessionRefused(worker);
      this.#queue.unshift(job);
    } else if (!worker.hasEnded) reject(error);
    else if (operation.name === "generate" || operation.name === "delete") {
      const message = "The library's worker ended before it responded. Check whether the key pair exists.";
      reject(new SignerError("unavailable", message));
    } else this.#queue.unshift(job);
  }

  /** Takes requests back from workers that are stuck, and starts another worker if that can help. */
  #checkProgress(): void {
    this.#timer = undefined;
    if (this.#isPaused) return;
    const workers = [...this.workers];
    for (const worker of workers) this.#queue.unshift(...worker.withdrawIfStuck());
    this.#dropAbandoned();
    this.#refuseLate();
    const isSlow = workers.every((worker) => !worker.isFast || worker.isStuck);
    // The keys share the workers: many keys don't get more of them than one key, except instead of those that hang.
    const usable = workers.filter((worker) => !worker.hangs).length;
    if (isSlow && this.#queue.some(({ key }) => key.canGrow && usable < key.maxWorkers)) void this.#startForQueue();
    this.#dispatchSoon();
  }

  async #startForQueue(): Promise<void> {
    if (this.#starting || this.#isPaused || (this.oneAtATime && this.workers.size > 0)) return;
    try {
      await this.start();
    } catch (error) {
      if (this.workers.size === 0) for (const { reject } of this.#queue.splice(0)) reject(error);
    }
    this.#dispatchSoon();
  }

  /** Rejects the jobs that can't be run inside their time limits any more, or since more is known of the token. */
  #refuseLate(): void {
    if (performance.now() - this.#refusedAt < REFUSAL_PERIOD) return;
    this.#refusedAt = performance.now();
    const waitingTime = this.#waitingTime();
    const jobs = this.#queue.splice(0);
    for (const job of jobs) {
      const refusal = waitingTime.add(job);
      if (refusal) job.reject(refusal);
      else this.#queue.push(job);
    }
  }

  /** A library that can't lock has one worker, however many sessions its keys may open. */
  #waitingTime(ahead = 0): WaitingTime {
    return new WaitingTime(this.workers, { ahead, oneAtATime: this.oneAtATime });
  }

  /** Rejects the jobs whose caller has aborted or timed out. */
  #dropAbandoned(): void {
    for (const job of this.#queue.filter(({ deadline }) => deadline?.signal.aborted)) {
      this.#queue.splice(this.#queue.indexOf(job), 1);
      job.reject(job.deadline?.signal.reason);
    }
  }
}
