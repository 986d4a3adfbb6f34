/** A worker of a library, and the requests in flight to it, in the thread that started it. */
import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";
import { fromFailure } from "./failure.js";
import type { Job } from "./job-queue.js";
import type { LibraryKey } from "./library-key.js";
import {
  BATCH,
  type FromWorker,
  type LoginOutcome,
  type Operation,
  type Question,
  type Reply,
  type Response,
  SHARED,
  SLOTS,
  STATE,
  type ToWorker,
  type WorkerData,
} from "./protocol.js";
import { startWorker } from "./worker-file.js";

/** What a worker reports. */
export interface WorkerEvents {
  /** @param job - `undefined` if it was withdrawn. */
  settled(job: Job | undefined, response: Response): void;
  /** After each batch of responses. */
  idle(): void;
  question(question: Question, job: Job | undefined): Promise<Reply>;
  loginEnded(outcome: LoginOutcome): void;
  /** @param jobs - The jobs without a response. */
  exited(jobs: Job[]): void;
}

interface SentRequest {
  readonly slot: number;
  job: Job | undefined;
}

/** A call is stuck after `STUCK` milliseconds or, if that is longer, `PATIENCE` times the duration of a signature. */
const STUCK = 4;
const PATIENCE = 4;
/** Slower signatures (µs) aren't sent in batches: another worker could make them sooner. */
const FAST = 250;
/** Slower signatures (µs) aren't sent ahead: the message is created when it is sent, and would be stale when signed. */
const QUICK = 50_000;

/** A worker, as the thread that started it sees it. */
export class LibraryWorker {
  /** Whether this worker's call initialised the library. */
  initialized = false;
  /** Whether the worker has lost the library, and waits until the library has been restarted. */
  waitsForRestart = false;
  readonly #worker: Worker;
  readonly #shared: Int32Array;
  readonly #events: WorkerEvents;
  readonly #sent = new Map<number, SentRequest>();
  readonly #controls = new Map<number, (response: Response) => void>();
  readonly #freeSlots = Array.from({ length: SLOTS }, (_, slot) => slot);
  #ids = 0;
  #microseconds = Number.POSITIVE_INFINITY;
  #doneBefore = -1;
  #progressAt = 0;
  #hasEnded = false;
  /** Whether the worker has made no progress for too long. Updated by {@link withdrawIfStuck}. */
  isStuck = false;

  private constructor(worker: Worker, shared: Int32Array, events: WorkerEvents) {
    this.#worker = worker;
    this.#shared = shared;
    this.#events = events;
    worker.on("message", (message: FromWorker) => this.#receive(message));
    worker.once("exit", () => this.#end());
    worker.on("error", () => undefined); // The exit event that follows rejects or returns the requests.
  }

  /** @throws {SignerError} If the worker or the library can't be loaded. */
  static async start(data: Omit<WorkerData, "shared">, events: WorkerEvents): Promise<LibraryWorker> {
    const shared = new Int32Array(new SharedArrayBuffer((SHARED.STATES + SLOTS) * Int32Array.BYTES_PER_ELEMENT));
    const workerData: WorkerData = { ...data, shared };
    const worker = startWorker({ workerData, execArgv: [], env: {}, name: "hardproof-pkcs11" });
    const { failure } = await new Promise<{ failure?: Parameters<typeof fromFailure>[0] }>((resolve, reject) => {
      const ended = () => reject(new SignerError("unavailable", "The library's worker ended before it was ready."));
      worker.once("message", resolve).once("error", reject).once("exit", ended);
    });
    if (failure) throw fromFailure(failure);
    worker.unref();
    return new LibraryWorker(worker, shared, events);
  }

  get busy(): boolean {
    return this.#sent.size > 0;
  }

  /** Whether a request waits in the worker behind another one. */
  get hasRequestsAhead(): boolean {
    return this.#sent.size > 1;
  }

  get isFast(): boolean {
    return this.#microseconds < FAST;
  }

  /** How many requests can be sent now. A fast token gets a second batch before it has answered the first one. */
  get capacity(): number {
    if (this.isFast) return this.#freeSlots.length >= BATCH ? BATCH : 0;
    return this.#sent.size < 2 ? 1 : 0;
  }

  /** Returns whether a request for the key may be sent now: ahead of time only if no other worker could run it sooner. */
  accepts(key: LibraryKey, mayGrow: boolean): boolean {
    if (!key.workers.has(this)) return !this.busy && key.canGrow;
    return this.#microseconds < FAST || !this.busy || (this.#microseconds < QUICK && !(mayGrow && key.canGrow));
  }

  /** @param jobs - The jobs, with their operations as they are sent. */
  send(jobs: readonly (readonly [Job, Operation])[]): void {
    this.#worker.ref();
    const requests = jobs.map(([job, operation]) => {
      const slot = this.#freeSlots.pop() ?? 0;
      Atomics.store(this.#shared, SHARED.STATES + slot, STATE.WAITING);
      const { key } = job;
      const isNew = !key.workers.has(this);
      const request = {
        id: ++this.#ids,
        slot,
        key: key.id,
        spec: isNew ? key.spec : undefined,
        hasOtherSession: key.workers.size > (isNew ? 0 : 1),
        operation,
      };
      key.workers.add(this);
      this.#sent.set(request.id, { slot, job });
      return request;
    });
    this.#post({ requests });
  }

  /** Runs an operation of the library itself, such as `initialize`. */
  control(operation: Operation, key = 0): Promise<unknown> {
    const id = ++this.#ids;
    this.#worker.ref();
    this.#post({ requests: [{ id, slot: undefined, key, spec: undefined, hasOtherSession: false, operation }] });
    return new Promise((resolve, reject) => {
      this.#controls.set(id, ({ result, failure }) => (failure ? reject(fromFailure(failure)) : resolve(result)));
    });
  }

  /** Takes back the requests that the worker hasn't begun, if a call is stuck in it. */
  withdrawIfStuck(): Job[] {
    const done = Atomics.load(this.#shared, SHARED.DONE);
    if (done !== this.#doneBefore) this.#progressAt = performance.now();
    this.#doneBefore = done;
    const patience = Number.isFinite(this.#microseconds) ? (PATIENCE * this.#microseconds) / 1000 : 0;
    this.isStuck = this.busy && performance.now() - this.#progressAt > Math.max(patience, STUCK);
    return this.isStuck ? this.withdraw() : [];
  }

  /**
   * Takes back the requests that the worker hasn't begun, and signatures that it has made but not delivered: it delivers a
   * batch as a whole, so they would wait for the stuck call. Another worker makes them again.
   */
  withdraw(): Job[] {
    return [...this.#sent.values()].flatMap((sent) => {
      const { job, slot } = sent;
      const index = SHARED.STATES + slot;
      const state = Atomics.compareExchange(this.#shared, index, STATE.WAITING, STATE.WITHDRAWN);
      const isMade = state === STATE.DONE && job?.operation.name === "sign";
      if (!job || !(state === STATE.WAITING || isMade)) return [];
      sent.job = undefined;
      return [job];
    });
  }

  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#worker.ref();
    this.#post({ end: true });
    await once(this.#worker, "exit").catch(() => undefined);
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
    Atomics.add(this.#shared, SHARED.MESSAGES, 1);
    Atomics.notify(this.#shared, SHARED.MESSAGES);
  }

  #receive(message: FromWorker): void {
    if ("outcome" in message) this.#events.loginEnded(message.outcome);
    else if ("question" in message) void this.#answer(message.question);
    else this.#receiveResponses(message.responses, message.microsecondsPerSignature);
  }

  #receiveResponses(responses: readonly Response[], microsecondsPerSignature = this.#microseconds): void {
    for (const response of responses) this.#settle(response);
    this.#microseconds = microsecondsPerSignature;
    if (!this.busy && this.#controls.size === 0) this.#worker.unref();
    this.#events.idle();
  }

  #settle(response: Response): void {
    const sent = this.#sent.get(response.id);
    if (sent === undefined) {
      this.#controls.get(response.id)?.(response);
      this.#controls.delete(response.id);
      return;
    }
    this.#sent.delete(response.id);
    this.#freeSlots.push(sent.slot);
    this.#events.settled(sent.job, response);
  }

  async #answer(question: Question): Promise<void> {
    const job = question.ask === "pin" ? this.#sent.get(question.id)?.job : undefined;
    const reply = await this.#events
      .question(question, job)
      .catch(({ code, message }): Reply => ({ failure: { code, message } }));
    this.#post({ reply });
  }

  #end(): void {
    this.#hasEnded = true;
    const unanswered = [...this.#sent.values()].flatMap(({ job }) => job ?? []);
    this.#sent.clear();
    for (const settle of this.#controls.values())
      settle({ id: 0, failure: { code: "unavailable", message: "The library's worker has ended." } });
    this.#controls.clear();
    this.#events.exited(unanswered);
  }
}
