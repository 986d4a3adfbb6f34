/** A worker of a library, and the requests in flight to it, in the thread that started it. */
import type { Worker } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";
import type { OpenKeyOptions } from "../../src/keystore/key-source.js";
import { LoopTurns } from "../../src/keystore/loop-turns.js";
import { Calls, type Handlers } from "./calls.js";
import type { LibraryKey } from "./library-key.js";
import { BATCH, MAX_IN_FLIGHT, type Operation, type Request, type Result, type WorkerData } from "./protocol.js";
import { startWorker } from "./worker-file.js";

/** A request of a caller. */
export interface Job {
  readonly key: LibraryKey;
  readonly operation: Operation;
  /** Creating its signal takes time, so it is read only after the request had to wait. */
  readonly deadline: OpenKeyOptions | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** Slower signatures (ms) aren't sent in batches: another worker could make them sooner. */
const FAST = 0.25;
/** Slower signatures (ms) aren't sent ahead: the message is created when it is sent, and would be stale when signed. */
const QUICK = 50;
/** A call is stuck after `STUCK` milliseconds or, if that is longer, `PATIENCE` times the duration of a signature. */
const STUCK = 25;
const PATIENCE = 4;
/** How many signatures say how long the next ones take. */
const SAMPLES = 3;
/** A stuck call hangs after this many milliseconds: opening a key takes longer than a signature, if there are many keys. */
const HANGING = 2_000;

/** One for the messages of all workers. */
const messageTurns = new LoopTurns();

interface SentRequest {
  readonly job: Job;
  readonly cancel: () => void;
  isWithdrawn: boolean;
}

/** A worker, as the thread that started it sees it. */
export class LibraryWorker {
  /** Whether this worker's call initialised the library. */
  initialized = false;
  /** Whether the worker has lost the library, and waits until the library has been restarted. */
  waitsForRestart = false;
  /** Whether the worker has made no progress for too long. Updated by {@link withdrawIfStuck}. */
  isStuck = false;
  hasEnded = false;
  readonly #worker: Worker;
  readonly #exit: Promise<void>;
  readonly #calls: Calls;
  /** Shared memory: how many requests the worker has begun. */
  readonly #begun = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  /** How many requests the worker has answered. */
  #answered = 0;
  /** How many requests wait for their digest. */
  #preparing = 0;
  /** The requests that the worker hasn't answered, oldest first. */
  readonly #sent: SentRequest[] = [];
  #milliseconds = Number.POSITIVE_INFINITY;
  /** Milliseconds of the last signatures. */
  readonly #latest: number[] = [];
  #progressAt = 0;

  /** @param handlers - The calls that the worker makes. */
  constructor(data: Omit<WorkerData, "begun">, handlers: (worker: LibraryWorker) => Handlers) {
    const worker = startWorker({
      workerData: { ...data, begun: this.#begun },
      env: {},
      name: "hardproof-pkcs11",
    });
    this.#worker = worker;
    let cause: Error | undefined;
    worker.on("error", (error) => {
      cause = error; // The exit event follows.
    });
    this.#exit = new Promise((resolve) => worker.once("exit", () => resolve()));
    worker.once("exit", () => {
      this.hasEnded = true;
    });
    const ended = () =>
      new SignerError("unavailable", `The library's worker has ended${cause ? `: ${cause.message}` : "."}`, { cause });
    this.#calls = new Calls(
      {
        post: inBatches((messages) => worker.postMessage(messages)),
        // Node delivers up to a thousand messages of a fast worker before the event loop goes on.
        listen: (receive) =>
          worker.on("message", (messages: unknown[]) => void messageTurns.run(() => messages.forEach(receive))),
        // In a turn as well, after the messages before it.
        onEnd: (end) => worker.once("exit", () => void messageTurns.run(() => end(ended()))),
        keepAlive: (isWaiting) => (isWaiting ? worker.ref() : worker.unref()),
      },
      handlers(this),
    );
  }

  get busy(): boolean {
    return this.#sent.length + this.#preparing > 0;
  }

  /** Whether a request waits in the worker behind another one. */
  get hasRequestsAhead(): boolean {
    return this.#sent.filter(({ isWithdrawn }) => !isWithdrawn).length > 1;
  }

  /** Milliseconds that a signature takes. `Infinity` before the third one: a busy machine can delay one or two. */
  get signatureTime(): number {
    return this.#latest.length < SAMPLES ? Number.POSITIVE_INFINITY : Math.min(...this.#latest);
  }

  get isFast(): boolean {
    return this.#milliseconds < FAST;
  }

  /** The job that the worker is running. */
  get current(): Job | undefined {
    return this.#sent[this.#currentIndex]?.job;
  }

  /** The worker runs its requests in order, but may not have delivered its last answers. */
  get #currentIndex(): number {
    return Math.max(0, (Atomics.load(this.#begun, 0) - this.#answered - 1) | 0);
  }

  /** Whether a call in the worker may never return. */
  get hangs(): boolean {
    return this.isStuck && performance.now() - this.#progressAt > HANGING;
  }

  /** How many requests may be sent now. A fast worker gets whole batches, because each message wakes it. */
  get capacity(): number {
    const inFlight = this.#sent.length + this.#preparing;
    if (this.isStuck) return 0;
    if (this.isFast) return inFlight <= BATCH ? MAX_IN_FLIGHT - inFlight : 0;
    return this.#milliseconds < QUICK ? 2 - inFlight : 1 - inFlight;
  }

  /** Returns whether a request for the key may be sent now: ahead of time only if no other worker could run it sooner. */
  accepts(key: LibraryKey, mayGrow: boolean): boolean {
    if (!key.workers.has(this)) return !this.busy && key.canGrow;
    return !this.busy || this.isFast || !(mayGrow && key.canGrow);
  }

  /** Takes back the jobs that the worker hasn't begun, if a call is stuck in it, or it has become slow. */
  withdrawIfStuck(): Job[] {
    const patience = Number.isFinite(this.#milliseconds) ? PATIENCE * this.#milliseconds : 0;
    this.isStuck = this.busy && performance.now() - this.#progressAt > Math.max(patience, STUCK);
    return this.isStuck || (!this.isFast && this.#sent.length > 2) ? this.withdraw() : [];
  }

  #measured(milliseconds: number): void {
    // A busy machine can delay one signature, so a single slow one counts only in part.
    this.#milliseconds = Math.min(milliseconds, 4 * this.#milliseconds);
    this.#latest.push(milliseconds);
    if (this.#latest.length > SAMPLES) this.#latest.shift();
  }

  /** Calls a function of the worker's program. */
  call<T = unknown>(name: string, argument?: unknown): Promise<T> {
    return this.#calls.call<T>(name, argument);
  }

  /**
   * Runs a job in the worker.
   *
   * @returns The result; `undefined` if the job was withdrawn.
   * @throws What the operation throws, or the function that makes the digest.
   */
  run(job: Job): Promise<Result | undefined> {
    job.key.checkAvailable();
    const digest = job.operation.digest?.();
    return digest instanceof Promise ? this.#sendWhenMade(job, digest) : this.#send(job, digest);
  }

  /** Takes back the jobs that the worker isn't running. Signatures that it hasn't delivered are made again. */
  withdraw(): Job[] {
    const current = this.#currentIndex;
    const others = this.#sent.filter(
      ({ job, isWithdrawn }, index) =>
        index !== current && !isWithdrawn && mayRunAgain(job.operation.name, { hasEnded: index < current }),
    );
    for (const sent of others) {
      sent.isWithdrawn = true;
      sent.cancel();
    }
    return others.map(({ job }) => job);
  }

  /** Calls `listener` when the worker has ended, before its jobs fail. */
  onExit(listener: () => void): void {
    this.#worker.prependOnceListener("exit", listener);
  }

  /** Ends the worker, which is idle. */
  async end(): Promise<void> {
    if (this.hasEnded) return;
    await this.call("end").catch(() => undefined); // In Node.js, it ends without a response.
    this.#worker.ref(); // In Deno, it responds first, and the process could end before the thread.
    await this.#exit;
  }

  async #sendWhenMade(job: Job, digest: Promise<Uint8Array>): Promise<Result | undefined> {
    this.#preparing += 1;
    try {
      const made = await digest;
      return this.#send(job, made);
    } finally {
      this.#preparing -= 1;
    }
  }

  async #send(job: Job, digest: Uint8Array | undefined): Promise<Result | undefined> {
    const { key, operation } = job;
    const hasOtherSession = key.workers.size > (key.workers.has(this) ? 1 : 0);
    if (!key.workers.has(this) && !this.hasEnded) this.#addKey(key);
    const request: Request = { key: key.id, name: operation.name, digest, hasOtherSession };
    const { result, cancel } = this.#calls.start<Result | undefined>("run", request);
    const sent: SentRequest = { job, cancel, isWithdrawn: false };
    if (!this.busy) this.#progressAt = performance.now();
    this.#sent.push(sent);
    try {
      const response = await result;
      if (response && operation.name === "sign") this.#measured(response.milliseconds);
      return sent.isWithdrawn ? undefined : response;
    } catch (error) {
      if (sent.isWithdrawn) return undefined;
      throw error;
    } finally {
      this.#sent.splice(this.#sent.indexOf(sent), 1);
      this.#answered += 1;
      this.#progressAt = performance.now();
      this.isStuck = false;
    }
  }

  #addKey(key: LibraryKey): void {
    key.workers.add(this);
    const argument = { key: key.id, spec: { ...key.spec, expected: key.expected } };
    this.call("addKey", argument).catch(() => undefined);
  }
}

/** The rest of a list is in the worker that has begun it, and a portion that is read twice would be lost once. */
function mayRunAgain(name: Operation["name"], { hasEnded }: { hasEnded: boolean }): boolean {
  return name === "sign" || (name !== "list-more" && !hasEnded);
}

/** Posts the messages of one turn of the event loop together, so that they wake the worker once. */
function inBatches(post: (messages: unknown[]) => void): (message: unknown) => void {
  const batch: unknown[] = [];
  return (message) => {
    batch.push(message);
    if (batch.length === 1) process.nextTick(() => post(batch.splice(0)));
  };
}
