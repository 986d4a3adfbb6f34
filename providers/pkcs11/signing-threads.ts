/**
 * The threads that one signer signs on. A token that answers faster than two threads can speak is served by one of them,
 * which always has the next request at hand; a slower one by as many as there are sessions; and a call that is stuck keeps
 * nobody but its own caller.
 */
import type { Handle } from "./client.js";
import { SigningThread, type SignRequest, type ThreadWork } from "./signing-thread.js";

/** Microseconds. Whoever signs faster has no use for a second thread, and would take it from the event loop. */
const FAST = 500;
/** Milliseconds without an answer, after which a thread is given nothing more. */
const STALL = 50;

type UnderWay = <T>(work: () => Promise<T>) => Promise<T>;

export class SigningThreads {
  readonly #work: ThreadWork;
  #most: number;
  readonly #underWay: UnderWay;
  readonly #threads: SigningThread[] = [];
  readonly #stalled = new Set<SigningThread>();
  /** What each had done by the last look. */
  readonly #seen = new Map<SigningThread, number>();
  readonly #waiting: SignRequest[] = [];
  /** For how many signatures there was no thread. */
  #asked = 0;
  #starting: Promise<void> | undefined;
  #watching: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param library - path of a library that is initialised
   * @param handleBytes - of a `CK_ULONG`
   * @param most - how many there may be
   * @param underWay - tells whoever would finalise the library that it is called
   */
  constructor(library: string, handleBytes: number, most: number, underWay: UnderWay) {
    const pace = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    this.#work = { library, handleBytes, pace };
    this.#most = most;
    this.#underWay = underWay;
  }

  /**
   * `C_SignInit` and `C_Sign` on one session. The first thread is started for the second signature: a process that makes
   * one and ends does not wait for it.
   *
   * @param digest - 32 bytes
   * @returns `undefined` while there is no thread, or for ever where none can use what this one opened
   * @throws what the library answers, as the addon's own error
   */
  sign(session: Handle, key: Handle, digest: Uint8Array): Promise<Buffer> | undefined {
    if (this.#threads.length === 0) {
      this.#asked += 1;
      if (this.#asked > 1) this.#startAnother();
      return undefined;
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ session, key, digest, resolve, reject });
      this.#dispatch();
    });
  }

  /**
   * Ends the threads, as soon as nobody waits for them. One that is stuck ends with its call.
   *
   * @returns once none is being started
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#dispatch();
    await this.#starting;
  }

  #dispatch(): void {
    const able = this.#threads.filter((thread) => !this.#stalled.has(thread));
    const isFast = Atomics.load(this.#work.pace, 0) < FAST;
    for (const thread of isFast ? able.slice(0, 1) : able)
      for (let room = (isFast ? 2 : 1) - thread.pending; room > 0 && this.#waiting.length > 0; room--)
        thread.submit(this.#waiting.shift() as SignRequest);
    if (this.#waiting.length > 0 && !(isFast && able.length > 0)) this.#startAnother();
    if (this.#closed && this.#waiting.length === 0) this.#stopIdle();
    if (this.#isBusy()) this.#watching ??= setInterval(() => this.#watch(), STALL).unref();
  }

  #answered(thread: SigningThread): void {
    this.#stalled.delete(thread);
    this.#dispatch();
  }

  #startAnother(): void {
    if (this.#starting || this.#threads.length === this.#most) return;
    const start = () => SigningThread.start(this.#work, (thread) => this.#answered(thread)).catch(() => undefined);
    // What rejects is a library that is being restarted: it will be there for the next signature.
    const starting = this.#underWay(start).then((another) => this.#add(another));
    this.#starting = starting
      .catch(() => undefined)
      .finally(() => {
        this.#starting = undefined;
      });
  }

  #add(another: SigningThread | undefined): void {
    if (another) this.#threads.push(another);
    else this.#most = this.#threads.length;
    this.#dispatch();
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
      this.#threads.splice(this.#threads.indexOf(thread), 1);
      thread.stop();
    }
  }
}
