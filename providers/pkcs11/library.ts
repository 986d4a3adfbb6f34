/**
 * A PKCS#11 library in this process. No call is made here: each request goes to a worker that is idle, further workers are
 * started where the token is slow or a call is stuck, and the library is restarted when no call is in it.
 */
import { isMainThread } from "node:worker_threads";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { fromFailure } from "./failure.js";
import { type Job, JobQueue } from "./job-queue.js";
import { type KeyRequest, LibraryKey } from "./library-key.js";
import { checkSameOptions, type LibraryOptions, setEnvironment } from "./library-options.js";
import { LibraryWorker } from "./library-worker.js";
import { type Login, prepareLogin } from "./logins.js";
import { findModule } from "./module-path.js";
import type { Initialized, Opened, Question, QueuedOperation, Reply, Response } from "./protocol.js";

/** Milliseconds that a request waits before another worker is started for it. */
const SLOW = 5;
/** Milliseconds that a restart waits for calls in progress: to finalise the library under them could crash the process. */
const DRAIN = 5_000;
/** Milliseconds between two restarts for a token that isn't there. */
const REFRESH_PAUSE = 60_000;

const libraries = new Map<string, Library>();

export class Library {
  readonly #path: string;
  readonly #options: LibraryOptions;
  readonly #workers = new Set<LibraryWorker>();
  readonly #queue = new JobQueue();
  /** Jobs that a worker didn't run. */
  readonly #returned: Job[] = [];
  readonly #keys = new Set<LibraryKey>();
  readonly #logins = new Map<LibraryWorker, Login>();
  #users = 0;
  #restoreEnvironment: (() => void) | undefined;
  #starting: Promise<void> | undefined;
  #restarting: Promise<void> | undefined;
  #finishing: Promise<void> | undefined;
  #dispatching = false;
  #timer: NodeJS.Timeout | undefined;
  #whenQuiet: (() => void) | undefined;
  #oneAtATime = false;
  #noRefreshUntil = 0;
  /** Whether a worker initialised the library, rather than another part of the process. */
  #initialized = false;

  private constructor(path: string, options: LibraryOptions) {
    this.#path = path;
    this.#options = options;
  }

  /**
   * Loads and initialises the library for its first user.
   *
   * @param nameOrPath - `softhsm2`, or `/usr/lib/softhsm/libsofthsm2.so`.
   * @throws {SignerError} With code `misconfigured` or `unavailable`.
   */
  static async acquire(nameOrPath: string, options: LibraryOptions): Promise<Library> {
    const path = await findModule(nameOrPath, options.allowedModules);
    await Library.#finished(path);
    const library = libraries.get(path) ?? new Library(path, options);
    checkSameOptions(path, library.#options, options);
    libraries.set(path, library);
    library.#users += 1;
    try {
      if (library.#workers.size === 0) await library.#startWorker();
      return library;
    } catch (error) {
      await library.release();
      throw error;
    }
  }

  /** Waits while the library is being finalised. */
  static async #finished(path: string): Promise<void> {
    for (let library = libraries.get(path); library?.finishing; library = libraries.get(path)) await library.finishing;
  }

  get finishing(): Promise<void> | undefined {
    return this.#finishing;
  }

  /** The last user finalises the library and ends its workers, once no call is in it: a stuck one isn't waited for. */
  async release(): Promise<void> {
    this.#users -= 1;
    await this.#finishIfUnused();
  }

  openKey(request: KeyRequest): LibraryKey {
    const key = new LibraryKey(request);
    this.#keys.add(key);
    return key;
  }

  async closeKey(key: LibraryKey): Promise<void> {
    this.#keys.delete(key);
    const workers = [...key.workers];
    key.workers.clear();
    const closing = workers.map((worker) => {
      const { busy } = worker;
      const closed = worker.control({ name: "close" }, key.id).catch(() => undefined);
      // A worker that is busy closes it later.
      return busy ? undefined : closed;
    });
    await Promise.all(closing);
  }

  /** @param deadline - Ends the wait in the queue. What a worker has begun isn't cancelled. */
  async run(key: LibraryKey, operation: QueuedOperation, deadline?: Deadline): Promise<unknown> {
    key.enter();
    try {
      return await new Promise((resolve, reject) => {
        this.#queue.add({ key, operation, deadline, resolve, reject });
        this.#dispatchSoon();
      });
    } finally {
      key.leave();
    }
  }

  /** Once all callers of this turn have queued their requests, so that they travel together. */
  #dispatchSoon(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    process.nextTick(() => {
      this.#dispatching = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#restarting) return;
    const workers = [...this.#workers];
    const idleFirst = [...workers.filter((worker) => !worker.busy), ...workers.filter((worker) => worker.busy)];
    for (const worker of idleFirst)
      for (let jobs = this.#takeFor(worker); jobs.length > 0; jobs = this.#takeFor(worker)) worker.send(jobs);
    if (!this.#queue.isEmpty && workers.length === 0) void this.#startForQueue();
    else if (!this.#queue.isEmpty || workers.some((worker) => worker.hasRequestsAhead))
      this.#timer ??= setTimeout(() => this.#look(), SLOW);
  }

  #takeFor(worker: LibraryWorker) {
    return this.#queue.takeFor(worker, !this.#oneAtATime);
  }

  /** Some milliseconds later: takes requests back from workers that are stuck, and starts another worker if it can help. */
  #look(): void {
    this.#timer = undefined;
    const workers = [...this.#workers];
    for (const worker of workers) this.#queue.putBack(worker.withdrawIfStuck());
    this.#queue.dropAbandoned();
    const isSlow = workers.every((worker) => !worker.isFast || worker.isStuck);
    if (isSlow && this.#queue.needsWorker()) void this.#startForQueue();
    this.#dispatch();
  }

  async #startForQueue(): Promise<void> {
    if (this.#starting || this.#restarting || (this.#oneAtATime && this.#workers.size > 0)) return;
    try {
      await this.#startWorker();
    } catch (error) {
      if (this.#workers.size === 0) this.#queue.rejectAll(error);
    }
    this.#dispatch();
  }

  #startWorker(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
      this.#whenQuiet?.();
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    this.#restoreEnvironment ??= setEnvironment(this.#options.environment);
    const { libraryParameters, binding } = this.#options;
    const worker = await LibraryWorker.start(
      { path: this.#path, libraryParameters, binding },
      {
        settled: (job, response) => this.#settle(worker, job, response),
        idle: () => this.#progressed(),
        question: (question, job) => this.#answer(worker, question, job),
        loginEnded: (outcome) => this.#logins.get(worker)?.end(outcome),
        exited: (jobs) => this.#replace(worker, jobs),
      },
    );
    try {
      await this.#initialize(worker, this.#workers.size === 0 && !this.#initialized);
      this.#workers.add(worker);
    } catch (error) {
      await worker.end();
      throw error;
    }
  }

  async #initialize(worker: LibraryWorker, first: boolean): Promise<void> {
    const { initialized, oneAtATime } = (await worker.control({ name: "initialize", first })) as Initialized;
    worker.initialized = initialized;
    this.#initialized ||= initialized;
    this.#oneAtATime = oneAtATime;
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

  #progressed(): void {
    this.#queue.putBack(this.#returned.splice(0));
    this.#dispatchSoon();
    this.#whenQuiet?.();
    void this.#finishIfUnused();
  }

  /** Signatures and readings that a worker didn't answer are made by another one. */
  #replace(worker: LibraryWorker, jobs: readonly Job[]): void {
    this.#workers.delete(worker);
    this.#logins.get(worker)?.end("unknown");
    this.#logins.delete(worker);
    for (const key of this.#keys) key.workers.delete(worker);
    for (const job of jobs)
      if (job.operation.name === "generate" || job.operation.name === "delete")
        job.reject(new SignerError("unavailable", "The library's worker ended before it answered."));
      else this.#queue.putBack([job]);
    this.#progressed();
  }

  async #answer(worker: LibraryWorker, question: Question, job: Job | undefined): Promise<Reply> {
    if (question.ask === "restart") return this.#answerRestart(worker, question.reason);
    if (!job) throw new SignerError("aborted", "The caller gave up before the login.");
    const login = await prepareLogin(question, this.#path, job.key, job.deadline?.signal);
    if (this.#workers.has(worker)) this.#logins.set(worker, login);
    else login.end("unknown");
    return login.reply;
  }

  /** For a missing token the library is restarted now and then only, since all other signers have to log in again. */
  async #answerRestart(worker: LibraryWorker, reason: "lost" | "missing token"): Promise<Reply> {
    if (reason === "missing token") {
      if (performance.now() < this.#noRefreshUntil) throw new SignerError("key-not-found", "There is no such token.");
      this.#noRefreshUntil = performance.now() + REFRESH_PAUSE;
    }
    worker.waitsForRestart = true;
    this.#whenQuiet?.();
    this.#restarting ??= this.#restart().finally(() => {
      for (const each of this.#workers) each.waitsForRestart = false;
      this.#restarting = undefined;
      this.#dispatchSoon();
    });
    await this.#restarting;
    return {};
  }

  /** Finalises the library only if a worker initialised it; initialising alone helps if it is another part's. */
  async #restart(): Promise<void> {
    await this.#quiet();
    const finalizers = this.#initialized || !isMainThread ? this.#initializers() : [];
    await this.#finalize(finalizers);
    const others = [...this.#workers].filter((worker) => !finalizers.includes(worker));
    for (const worker of finalizers) await this.#initialize(worker, true);
    for (const worker of others) await this.#initialize(worker, false);
  }

  /** Waits until each worker is idle or waits for the restart. */
  async #quiet(): Promise<void> {
    for (const worker of this.#workers) this.#queue.putBack(worker.withdraw());
    const isFree = (worker: LibraryWorker) => !worker.busy || worker.waitsForRestart;
    const isQuiet = () => !this.#starting && [...this.#workers].every(isFree);
    const until = performance.now() + DRAIN;
    const timer = setTimeout(() => this.#whenQuiet?.(), DRAIN + 1);
    while (!isQuiet()) {
      if (performance.now() >= until)
        throw new SignerError("unavailable", `A call into ${this.#path} is stuck: the library can't be restarted.`);
      await new Promise<void>((resolve) => {
        this.#whenQuiet = resolve;
      });
    }
    this.#whenQuiet = undefined;
    clearTimeout(timer);
  }

  /** The workers whose call initialised the library: where each load of it has a state of its own, all of them. */
  #initializers(): LibraryWorker[] {
    const workers = [...this.#workers];
    const initializers = workers.filter((worker) => worker.initialized);
    return initializers.length > 0 ? initializers : workers.slice(0, 1);
  }

  /** Closes all sessions first. */
  async #finalize(finalizers: readonly LibraryWorker[]): Promise<void> {
    const others = [...this.#workers].filter((worker) => !finalizers.includes(worker));
    for (const worker of others) await worker.control({ name: "finalize", library: false });
    for (const worker of finalizers) await worker.control({ name: "finalize", library: true });
    for (const key of this.#keys) key.workers.clear();
  }

  #finishIfUnused(): Promise<void> {
    const isUnused = this.#users === 0 && !this.#restarting && ![...this.#workers].some((worker) => worker.busy);
    if (!isUnused || this.#finishing) return this.#finishing ?? Promise.resolve();
    this.#finishing = this.#finish().finally(() => libraries.delete(this.#path));
    return this.#finishing;
  }

  async #finish(): Promise<void> {
    await this.#starting?.catch(() => undefined);
    clearTimeout(this.#timer);
    // Without an owner, other threads may be using the library.
    const finalizers = this.#initialized && isMainThread ? this.#initializers() : [];
    await this.#finalize(finalizers).catch(() => undefined);
    await Promise.all([...this.#workers].map((worker) => worker.end()));
    this.#restoreEnvironment?.();
  }
}
