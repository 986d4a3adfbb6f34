/**
 * The workers of one library, and the requests that wait for them. One worker serves a fast token. Further workers are
 * started if the token is slow or a call is stuck.
 */
import { SignerError } from "../../src/errors.js";
import { fromFailure } from "./failure.js";
import { type Job, JobQueue } from "./job-queue.js";
import { LibraryWorker, type WorkerEvents } from "./library-worker.js";
import type { LoginOutcome, Opened, Question, Reply, Response, WorkerData } from "./protocol.js";

/** What the pool reports to its library. */
export interface PoolEvents {
  /** Prepares a worker that has just started. */
  started(worker: LibraryWorker): Promise<void>;
  question(worker: LibraryWorker, question: Question, job: Job | undefined): Promise<Reply>;
  loginEnded(worker: LibraryWorker, outcome: LoginOutcome): void;
  ended(worker: LibraryWorker): void;
  /** A worker has responded, started or ended. */
  progressed(): void;
}

/** Milliseconds that a request waits before another worker is started for it. */
const SLOW = 5;

/** Starts workers, and distributes the requests among them. */
export class WorkerPool {
  readonly workers = new Set<LibraryWorker>();
  /** Whether calls must not overlap. The pool then has only one worker. */
  oneAtATime = false;
  readonly #data: Omit<WorkerData, "shared">;
  readonly #events: PoolEvents;
  readonly #queue = new JobQueue();
  /** Jobs that a worker returned, in the order of its responses. */
  readonly #returned: Job[] = [];
  #starting: Promise<void> | undefined;
  #paused = false;
  #isDispatching = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(data: Omit<WorkerData, "shared">, events: PoolEvents) {
    this.#data = data;
    this.#events = events;
  }

  /** Whether no call is in flight, apart from those that wait for the library to be restarted. */
  get isQuiet(): boolean {
    const isFree = (worker: LibraryWorker) => !worker.busy || worker.waitsForRestart;
    return !this.#starting && [...this.workers].every(isFree);
  }

  get isIdle(): boolean {
    return ![...this.workers].some((worker) => worker.busy);
  }

  run(job: Job): void {
    this.#queue.add(job);
    this.#dispatchSoon();
  }

  /** Stops sending requests and starting workers until {@link resume}. Requests that haven't begun go back to the queue. */
  pause(): void {
    this.#paused = true;
    for (const worker of this.workers) this.#queue.putBack(worker.withdraw());
  }

  resume(): void {
    this.#paused = false;
    this.#dispatchSoon();
  }

  /** @throws {SignerError} If the worker, or the library in it, can't be started. */
  start(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
      this.#events.progressed();
    });
    return this.#starting;
  }

  /** Ends the workers, which are idle. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([...this.workers].map((worker) => worker.end()));
  }

  /** Waits until no worker is being started. */
  async started(): Promise<void> {
    await this.#starting?.catch(() => undefined);
  }

  async #start(): Promise<void> {
    const worker: LibraryWorker = await LibraryWorker.start(
      this.#data,
      this.#eventsOf(() => worker),
    );
    try {
      await this.#events.started(worker);
      this.workers.add(worker);
    } catch (error) {
      await worker.end();
      throw error;
    }
  }

  #eventsOf(worker: () => LibraryWorker): WorkerEvents {
    return {
      settled: (job, response) => this.#settle(worker(), job, response),
      idle: () => this.#progressed(),
      question: (question, job) => this.#events.question(worker(), question, job),
      loginEnded: (outcome) => this.#events.loginEnded(worker(), outcome),
      exited: (jobs) => this.#replace(worker(), jobs),
    };
  }

  /** Dispatches after all callers of this turn have queued their requests, so that they are sent together. */
  #dispatchSoon(): void {
    if (this.#isDispatching) return;
    this.#isDispatching = true;
    process.nextTick(() => {
      this.#isDispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#paused) return;
    const workers = [...this.workers];
    const idleFirst = [...workers.filter((worker) => !worker.busy), ...workers.filter((worker) => worker.busy)];
    for (const worker of idleFirst)
      for (let jobs = this.#takeFor(worker); jobs.length > 0; jobs = this.#takeFor(worker)) worker.send(jobs);
    if (!this.#queue.isEmpty && workers.length === 0) void this.#startForQueue();
    else if (!this.#queue.isEmpty || workers.some((worker) => worker.hasRequestsAhead))
      this.#timer ??= setTimeout(() => this.#checkProgress(), SLOW);
  }

  #takeFor(worker: LibraryWorker) {
    return this.#queue.takeFor(worker, !this.oneAtATime);
  }

  /** Takes requests back from workers that are stuck, and starts another worker if that can help. */
  #checkProgress(): void {
    this.#timer = undefined;
    const workers = [...this.workers];
    for (const worker of workers) this.#queue.putBack(worker.withdrawIfStuck());
    this.#queue.dropAbandoned();
    const isSlow = workers.every((worker) => !worker.isFast || worker.isStuck);
    if (isSlow && this.#queue.needsWorker()) void this.#startForQueue();
    this.#dispatch();
  }

  async #startForQueue(): Promise<void> {
    if (this.#starting || this.#paused || (this.oneAtATime && this.workers.size > 0)) return;
    try {
      await this.start();
    } catch (error) {
      if (this.workers.size === 0) this.#queue.rejectAll(error);
    }
    this.#dispatch();
  }

  #settle(worker: LibraryWorker, job: Job | undefined, { result, failure, returned }: Response): void {
    if (!job) return;
    const { key } = job;
    if (returned || failure?.refusedSession) {
      if (failure) key.sessionRefused(worker);
      this.#returned.push(job);
    } else if (failure) {
      job.reject(failure.lost ? key.lost(fromFailure(failure)) : fromFailure(failure));
    } else {
      key.succeeded();
      if (job.operation.name === "open") key.opened(result as Opened);
      job.resolve(result);
    }
  }

  /** Passes the jobs of a worker that has ended to another worker, unless repeating them could do harm. */
  #replace(worker: LibraryWorker, jobs: readonly Job[]): void {
    this.workers.delete(worker);
    this.#events.ended(worker);
    for (const job of jobs)
      if (job.operation.name === "generate" || job.operation.name === "delete")
        job.reject(
          new SignerError(
            "unavailable",
            "The library's worker ended before it responded. Check whether the key pair exists.",
          ),
        );
      else this.#returned.push(job);
    this.#progressed();
  }

  #progressed(): void {
    this.#queue.putBack(this.#returned.splice(0));
    this.#dispatchSoon();
    this.#events.progressed();
  }
}
