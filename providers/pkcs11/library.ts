/**
 * A PKCS#11 library in this process, shared by all its signers. Only its workers call it. It is initialised for its first
 * user, restarted while no call is in flight, and finalised after its last user.
 */
import { isMainThread } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";
import type { LibraryKey } from "./library-key.js";
import { checkSameOptions, type LibraryOptions, setEnvironment } from "./library-options.js";
import { type Job, LibraryWorker } from "./library-worker.js";
import { decideLogin } from "./logins.js";
import { findModule } from "./module-path.js";
import type { Initialized, LoginQuestion } from "./protocol.js";
import { WorkerPool } from "./worker-pool.js";

/** Milliseconds that a restart waits for calls in flight: finalising the library during a call could crash the process. */
const DRAIN = 5_000;
/** Milliseconds between two restarts for a token that isn't there. */
const REFRESH_PAUSE = 60_000;

const libraries = new Map<string, Library>();

/** A library, initialised once for all its users. */
export class Library {
  /** Settles when the library has been finalised. */
  finishing: Promise<void> | undefined;
  readonly #path: string;
  readonly #options: LibraryOptions;
  readonly #pool = new WorkerPool(
    () => this.#startWorker(),
    () => this.#progressed(),
  );
  readonly #restoreEnvironment: (() => void) | undefined;
  readonly #keys = new Set<LibraryKey>();
  #users = 0;
  #restarting: Promise<void> | undefined;
  #whenQuiet: (() => void) | undefined;
  #noRefreshUntil = 0;
  /** Whether a worker initialised the library, rather than another part of the process. */
  #initialized = false;

  private constructor(path: string, options: LibraryOptions) {
    this.#path = path;
    this.#options = options;
    this.#restoreEnvironment = setEnvironment(options.environment);
  }

  /**
   * Loads and initialises the library for its first user.
   *
   * @param nameOrPath - `softhsm2`, or `/usr/lib/softhsm/libsofthsm2.so`.
   * @throws {SignerError} With code `misconfigured` or `unavailable`.
   */
  static async acquire(nameOrPath: string, options: LibraryOptions): Promise<Library> {
    const path = await findModule(nameOrPath, options.allowedModules);
    while (libraries.get(path)?.finishing) await libraries.get(path)?.finishing;
    const library = libraries.get(path) ?? new Library(path, options);
    checkSameOptions(path, library.#options, options);
    libraries.set(path, library);
    library.#users += 1;
    try {
      if (library.#pool.workers.size === 0) await library.#pool.start();
      return library;
    } catch (error) {
      await library.release();
      throw error;
    }
  }

  /** Releases one use. After the last one, finalises the library and ends its workers; doesn't wait for a stuck call. */
  async release(): Promise<void> {
    this.#users -= 1;
    await this.#finishIfUnused();
  }

  /** Runs an operation in a worker. An operation that a worker has begun isn't cancelled by its deadline. */
  run(job: Omit<Job, "resolve" | "reject">): Promise<unknown> {
    this.#keys.add(job.key);
    return new Promise((resolve, reject) => this.#pool.run({ ...job, resolve, reject }));
  }

  /** Closes the key's sessions. Doesn't wait for a worker that is busy. */
  async closeKey(key: LibraryKey): Promise<void> {
    this.#keys.delete(key);
    const closing = [...key.workers].map((worker) => {
      const { busy } = worker;
      const closed = worker.call("closeKey", key.id).catch(() => undefined);
      return busy ? undefined : closed;
    });
    key.workers.clear();
    await Promise.all(closing);
  }

  async #startWorker(): Promise<LibraryWorker> {
    const { libraryParameters, binding } = this.#options;
    const isFirst = this.#pool.workers.size === 0 && !this.#initialized;
    const worker = new LibraryWorker({ path: this.#path, libraryParameters, binding }, (worker) => ({
      login: (question: LoginQuestion) => this.#decideLogin(worker, question),
      restart: (reason: "lost" | "missing token") => this.#restartFor(worker, reason),
    }));
    worker.onExit(() => {
      this.#pool.workers.delete(worker);
      for (const key of this.#keys) key.workers.delete(worker);
      this.#progressed();
    });
    try {
      await this.#initialize(worker, isFirst);
      return worker;
    } catch (error) {
      await worker.end();
      throw error;
    }
  }

  async #initialize(worker: LibraryWorker, isFirst: boolean): Promise<void> {
    const { initialized, oneAtATime } = await worker.call<Initialized>("initialize", isFirst);
    worker.initialized = initialized;
    this.#initialized ||= initialized;
    this.#pool.oneAtATime = oneAtATime;
  }

  #progressed(): void {
    this.#whenQuiet?.();
    void this.#finishIfUnused();
  }

  /** Whether another session may be logged in: a login ends with the last session. */
  #mayBeLoggedIn({ expected }: LibraryKey): boolean {
    return expected !== undefined || [...this.#keys].flatMap(({ workers }) => [...workers]).length > 1;
  }

  #decideLogin(worker: LibraryWorker, question: LoginQuestion): Promise<number> {
    const { key, deadline } = worker.current ?? {};
    if (!key) throw new SignerError("aborted", "The request was aborted before the login.");
    const token = JSON.stringify([this.#path, question.token]);
    const session = {
      isLoggedIn: async () => this.#mayBeLoggedIn(key) && worker.call<boolean>("isLoggedIn"),
      login: (pin: string | undefined) => worker.call<number>("attemptLogin", pin),
    };
    return decideLogin({ ...question, token }, key, deadline?.signal, session);
  }

  /** For a missing token, restarts the library at most once a minute, because all other signers have to log in again. */
  async #restartFor(worker: LibraryWorker, reason: "lost" | "missing token"): Promise<void> {
    worker.current?.key.checkAvailable();
    if (reason === "missing token") {
      if (performance.now() < this.#noRefreshUntil) throw new SignerError("key-not-found", "There is no such token.");
      this.#noRefreshUntil = performance.now() + REFRESH_PAUSE;
    }
    worker.waitsForRestart = true;
    this.#whenQuiet?.();
    this.#restarting ??= this.#restart().finally(() => {
      for (const each of this.#pool.workers) each.waitsForRestart = false;
      this.#restarting = undefined;
      this.#pool.resume();
    });
    await this.#restarting;
  }

  async #restart(): Promise<void> {
    this.#pool.pause();
    await this.#quiet();
    const initializers = this.#initialized || !isMainThread ? this.#initializers() : [];
    await this.#finalize(initializers);
    const others = [...this.#pool.workers].filter((worker) => !initializers.includes(worker));
    try {
      for (const worker of initializers) await this.#initialize(worker, true);
      for (const worker of others) await this.#initialize(worker, false);
    } catch (cause) {
      // Whatever the library returns now, the token may come back.
      throw new SignerError("unavailable", cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  async #quiet(): Promise<void> {
    const until = performance.now() + DRAIN;
    const timer = setTimeout(() => this.#whenQuiet?.(), DRAIN + 1);
    while (!this.#pool.isQuiet && performance.now() < until)
      await new Promise<void>((resolve) => {
        this.#whenQuiet = resolve;
      });
    this.#whenQuiet = undefined;
    clearTimeout(timer);
    if (this.#pool.isQuiet) return;
    throw new SignerError("unavailable", `A call into ${this.#path} is stuck: the library can't be restarted.`);
  }

  /** The workers whose call initialised the library. If each load of it has its own state, these are all workers. */
  #initializers(): LibraryWorker[] {
    const workers = [...this.#pool.workers];
    const initializers = workers.filter((worker) => worker.initialized);
    return initializers.length > 0 ? initializers : workers.slice(0, 1);
  }

  /** Closes all sessions, then finalises the library. */
  async #finalize(initializers: readonly LibraryWorker[]): Promise<void> {
    // A worker may be terminated by other code, and a library that was lost can't be finalised.
    for (const worker of this.#pool.workers) await worker.call("closeAll").catch(() => undefined);
    for (const worker of initializers) await worker.call("finalize").catch(() => undefined);
  }

  async #finishIfUnused(): Promise<void> {
    if (this.#users > 0 || this.#restarting || !this.#pool.isIdle) return;
    this.finishing ??= this.#finish().finally(() => libraries.delete(this.#path));
    await this.finishing;
  }

  async #finish(): Promise<void> {
    this.#pool.pause();
    await this.#pool.started();
    // Outside the main thread, other threads may be using the library.
    const mustFinalize = this.#initialized && isMainThread;
    if (mustFinalize && this.#pool.workers.size === 0) await this.#pool.start().catch(() => undefined);
    await this.#finalize(mustFinalize ? this.#initializers() : []);
    await this.#pool.end();
    this.#restoreEnvironment?.();
  }
}
