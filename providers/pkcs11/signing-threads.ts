/**
 * The threads that one signer signs on. A token that answers faster than two threads can speak is served by one of them,
 * which always has the next request at hand; a slower one by as many as there are sessions; and a call that is stuck keeps
 * nobody but its own caller.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Handle } from "./client.js";
import { SigningThread, type SignRequest, type ThreadWork } from "./signing-thread.js";

/** Microseconds. Whoever signs faster has no use for a second thread, and would take it from the event loop. */
const FAST = 500;
/** Milliseconds without an answer, after which a thread is given nothing more. */
const STALL = 100;
/** Milliseconds that closing waits for a thread which is being started. */
const LONGEST_START = 5_000;
/** Starts that may fail one after the other: where a thread can't use what another one opened, all of them do. */
const MOST_FAILURES = 3;

type SignHere = (session: Handle, key: Handle, digest: Buffer) => Promise<Buffer>;
type UnderWay = <T>(work: () => Promise<T>) => Promise<T>;

export class SigningThreads {
  readonly #work: ThreadWork;
  readonly #most: number;
  readonly #underWay: UnderWay;
  readonly #here: SignHere;
  readonly #threads: SigningThread[] = [];
  readonly #stalled = new Set<SigningThread>();
  /** What each had done by the last look. */
  readonly #seen = new Map<SigningThread, number>();
  readonly #waiting: SignRequest[] = [];
  /** For how many signatures there was no thread. */
  #asked = 0;
  #starting: Promise<void> | undefined;
  /** Starts that failed since the last one that did not. */
  #failures = 0;
  #watching: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param library - path of a library that is initialised
   * @param handleBytes - of a `CK_ULONG`
   * @param most - how many there may be
   * @param underWay - tells whoever would finalise the library that it is called
   * @param here - signs without a thread
   */
  constructor(library: string, handleBytes: number, most: number, underWay: UnderWay, here: SignHere) {
    const pace = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    this.#work = { library, handleBytes, pace };
    this.#most = most;
    this.#underWay = underWay;
    this.#here = here;
  }

  /**
   * `C_SignInit` and `C_Sign` on one session. The first thread is started for the second signature: a process that makes
   * one and ends does not wait for it.
   *
   * @param digest - 32 bytes
   * @throws what the library answers, as the addon's own error
   */
  sign(session: Handle, key: Handle, digest: Buffer): Promise<Buffer> {
    if (this.#threads.length === 0) {
      this.#asked += 1;
      if (this.#asked > 1) this.#startAnother(session);
      return this.#here(session, key, digest);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ session, key, digest, resolve, reject });
      this.#dispatch();
    });
  }

  /**
   * Ends the threads, as soon as nobody waits for them. One that is stuck ends with its call.
   *
   * @returns once none is being started, unless that is stuck
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#dispatch();
    if (this.#starting) await Promise.race([this.#starting, sleep(LONGEST_START, undefined, { ref: false })]);
  }

  #dispatch(): void {
    const able = this.#threads.filter((thread) => !this.#stalled.has(thread));
    const isFast = Atomics.load(this.#work.pace, 0) < FAST;
    const depth = isFast ? 2 : 1;
    for (const thread of isFast ? able.slice(0, 1) : able)
      while (thread.pending < depth && this.#waiting.length > 0) thread.submit(this.#waiting.shift() as SignRequest);
    const [next] = this.#waiting;
    if (next && !(isFast && able.length > 0)) this.#startAnother(next.session);
    if (able.length === 0 && !this.#starting) this.#signWaiting();
    if (this.#closed && this.#waiting.length === 0) this.#stopIdle();
    if (this.#isBusy()) this.#watching ??= setInterval(() => this.#watch(), STALL).unref();
  }

  #answered(thread: SigningThread): void {
    this.#stalled.delete(thread);
    if (thread.ended) this.#remove(thread);
    this.#dispatch();
  }

  #startAnother(session: Handle): void {
    if (this.#starting || this.#threads.length === this.#most || this.#failures === MOST_FAILURES) return;
    const start = () => SigningThread.start(this.#work, session, (thread) => this.#answered(thread));
    this.#starting = this.#underWay(start).then(
      (another) => this.#started(another),
      () => this.#started(undefined),
    );
  }

  #started(another: SigningThread | undefined): void {
    this.#starting = undefined;
    this.#failures = another ? 0 : this.#failures + 1;
    if (another) this.#threads.push(another);
    this.#dispatch();
  }

  /** Where all threads are stuck, and another one can't be had. */
  #signWaiting(): void {
    for (const { session, key, digest, resolve, reject } of this.#waiting.splice(0))
      this.#here(session, key, digest).then(resolve, reject);
  }

  /** Takes from a thread that has answered nothing since the last look what it has not begun. */
  #watch(): void {
    for (const thread of this.#threads) {
      const stuck = thread.pending > 0 && thread.progress === this.#seen.get(thread);
      this.#seen.set(thread, thread.progress);
      if (!stuck) continue;
      this.#stalled.add(thread);
      const next = thread.withdraw();
      if (next) this.#waiting.unshift(next);
    }
    if (!this.#isBusy()) {
      clearInterval(this.#watching);
      this.#watching = undefined;
    }
    this.#dispatch();
  }

  #isBusy(): boolean {
    return this.#threads.some(({ pending }) => pending > 0);
  }

  #stopIdle(): void {
    for (const thread of this.#threads.filter(({ pending }) => pending === 0)) {
      this.#remove(thread);
      thread.stop();
    }
  }

  #remove(thread: SigningThread): void {
    const index = this.#threads.indexOf(thread);
    if (index >= 0) this.#threads.splice(index, 1);
    this.#seen.delete(thread);
  }
}
