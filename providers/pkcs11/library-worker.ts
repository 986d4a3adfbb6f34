/** A worker of a library, and the requests in flight to it, in the thread that started it. */
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { Calls, type Handlers } from "./calls.js";
import type { LibraryKey } from "./library-key.js";
import type { Operation, Request, Result, WorkerData } from "./protocol.js";
import { startWorker } from "./worker-file.js";

/** A request of a caller. */
export interface Job {
  readonly key: LibraryKey;
  readonly operation: Operation;
  /** Creating its signal takes time, so it is read only after the request had to wait. */
  readonly deadline: Deadline | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** The most requests in flight to a worker that is fast: it makes a signature in less than `FAST` milliseconds. */
const MAX_IN_FLIGHT = 4;
const FAST = 0.25;
/** Slower signatures (ms) aren't sent ahead: the message is created when it is sent, and would be stale when signed. */
const QUICK = 50;
/** A call is stuck after `STUCK` milliseconds or, if that is longer, `PATIENCE` times the duration of a signature. */
const STUCK = 4;
const PATIENCE = 4;

/** A worker, as the thread that started it sees it. */
export class LibraryWorker {
  /** Whether this worker's call initialised the library. */
  initialized = false;
  /** Whether the worker has lost the library, and waits until the library has been restarted. */
  waitsForRestart = false;
  hasEnded = false;
  readonly #worker: Worker;
  readonly #calls: Calls;
  /** The jobs in flight, oldest first, with the functions that cancel them. */
  readonly #jobs = new Map<Job, () => void>();
  /** Counts the requests that the worker hasn't answered, including those that were cancelled. */
  #inFlight = 0;
  #milliseconds = Number.POSITIVE_INFINITY;
  #progressAt = 0;

  /** @param handlers - The calls that the worker makes. */
  constructor(data: WorkerData, handlers: (worker: LibraryWorker) => Handlers) {
    const worker = startWorker({ workerData: data, execArgv: [], env: {}, name: "hardproof-pkcs11" });
    this.#worker = worker;
    const ended = new SignerError("unavailable", "The library's worker has ended.");
    worker.on("error", () => undefined); // The exit event follows.
    worker.once("exit", () => {
      this.hasEnded = true;
    });
    this.#calls = new Calls(
      {
        post: (message) => worker.postMessage(message),
        listen: (receive) => worker.on("message", receive),
        onEnd: (end) => worker.once("exit", () => end(ended)),
        keepAlive: (isWaiting) => (isWaiting ? worker.ref() : worker.unref()),
      },
      handlers(this),
    );
  }

  get busy(): boolean {
    return this.#inFlight > 0;
  }

  /** Whether a request waits in the worker behind another one. */
  get hasRequestsAhead(): boolean {
    return this.#jobs.size > 1;
  }

  get isFast(): boolean {
    return this.#milliseconds < FAST;
  }

  get isStuck(): boolean {
    const patience = Number.isFinite(this.#milliseconds) ? PATIENCE * this.#milliseconds : 0;
    return this.busy && performance.now() - this.#progressAt > Math.max(patience, STUCK);
  }

  /** The job that the worker is running. */
  get current(): Job | undefined {
    return this.#jobs.keys().next().value;
  }

  /** Returns how many requests are in flight; `undefined` if one for the key may not be sent now. */
  loadFor(key: LibraryKey, mayGrow: boolean): number | undefined {
    const hasSession = key.workers.has(this);
    const canWait = this.#milliseconds < QUICK && !(mayGrow && key.canGrow);
    const limit = this.isFast ? MAX_IN_FLIGHT : canWait ? 2 : 1;
    const accepts = this.busy ? hasSession && this.#inFlight < limit : hasSession || key.canGrow;
    return accepts ? this.#inFlight : undefined;
  }

  /** Calls a function of the worker's program. */
  call<T = unknown>(name: string, argument?: unknown): Promise<T> {
    return this.#calls.call<T>(name, argument);
  }

  /**
   * Sends a request to the worker.
   *
   * @throws What the operation throws, or the function that makes the digest.
   */
  async run(job: Job): Promise<unknown> {
    const { key, operation } = job;
    if (!this.busy) this.#progressAt = performance.now();
    this.#inFlight += 1;
    this.#jobs.set(job, () => undefined);
    key.checkAvailable();
    const made = operation.digest?.();
    const digest = made instanceof Promise ? await made : made;
    const hasOtherSession = key.workers.size > (key.workers.has(this) ? 1 : 0);
    if (!key.workers.has(this)) this.#addKey(key);
    const request: Request = { key: key.id, name: operation.name, digest, hasOtherSession };
    const { result, cancel } = this.#calls.start<Result | undefined>("run", request);
    this.#jobs.set(job, cancel);
    const { value, milliseconds } = (await result) ?? {};
    if (operation.name === "sign" && milliseconds !== undefined) this.#milliseconds = milliseconds;
    return value;
  }

  /** Records that the worker has answered. Returns `false` if the job was withdrawn. */
  finish(job: Job): boolean {
    this.#inFlight -= 1;
    this.#progressAt = performance.now();
    return this.#jobs.delete(job);
  }

  /** Takes back the jobs that the worker hasn't begun: those behind the first one. */
  withdraw(): Job[] {
    const [, ...ahead] = this.#jobs;
    for (const [job, cancel] of ahead) {
      this.#jobs.delete(job);
      cancel();
    }
    return ahead.map(([job]) => job);
  }

  /** Calls `listener` when the worker has ended, before its jobs fail. */
  onExit(listener: () => void): void {
    this.#worker.prependOnceListener("exit", listener);
  }

  /** Ends the worker, which is idle. */
  async end(): Promise<void> {
    if (this.hasEnded) return;
    const exit = once(this.#worker, "exit");
    this.call("end").catch(() => undefined);
    await exit;
  }

  #addKey(key: LibraryKey): void {
    key.workers.add(this);
    const argument = { key: key.id, spec: { ...key.spec, expected: key.expected } };
    this.call("addKey", argument).catch(() => undefined);
  }
}
