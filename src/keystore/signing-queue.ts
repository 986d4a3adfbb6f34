/**
 * The requests to one key. As many are in flight as the store can answer soon; the others wait here, where their messages
 * haven't been made yet, rather than in the store or in its client, where a proof would age.
 */
import { isAborted } from "../deadline.js";
import type { SignerError } from "../errors.js";
import { isPromiseLike } from "./promise-like.js";
import { isInTime, tooManyWaiting } from "./queue-time.js";
import { SigningWindow } from "./signing-window.js";

/** Requests that are started in one turn of the event loop: a cloud's SDK works for half a millisecond on each. */
const STARTS = 16;
/** Milliseconds between two checks while requests wait. */
const CHECK_PERIOD = 500;

/** What the queue needs to know of a request's time limit. */
export interface QueueDeadline {
  readonly signal: AbortSignal;
  /** Milliseconds. */
  readonly timeLeft?: number | undefined;
}

interface WaitingRequest {
  readonly deadline: QueueDeadline;
  start(): void;
  reject(error: unknown): void;
}

/** Starts requests in the order of their arrival. */
export class SigningQueue {
  readonly #window: SigningWindow;
  readonly #waiting: WaitingRequest[] = [];
  /** Requests that were started in this turn of the event loop. */
  #started = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param limit - The most requests in flight. Default: as many as the store answers soon, up to 500. */
  constructor(limit?: number) {
    this.#window = new SigningWindow(limit);
  }

  /**
   * Calls `sign` when the store is ready for the request. If it returns synchronously, the request takes no place.
   *
   * @throws {SignerError} With code `throttled` if the request can't be signed within its time limit.
   */
  run<T>(sign: () => T | PromiseLike<T>, deadline: QueueDeadline): T | Promise<T> {
    if (this.#waiting.length === 0 && this.#mayStart) return this.#start(sign, deadline);
    const error = this.#lateness(this.#waiting.length, deadline);
    if (error) throw error;
    const result = new Promise<T>((resolve, reject) => {
      const start = () => resolve(this.#start(sign, deadline));
      this.#waiting.push({ deadline, start, reject });
    });
    this.#checkLater();
    return result;
  }

  get #mayStart(): boolean {
    return this.#window.isOpen && this.#started < STARTS;
  }

  #start<T>(sign: () => T | PromiseLike<T>, deadline: QueueDeadline): T | Promise<T> {
    const result = sign();
    if (!isPromiseLike(result)) return result;
    this.#countStart();
    const request = this.#window.begin(deadline.timeLeft);
    const end = (succeeded: boolean) => {
      this.#window.end(request, { succeeded, othersWait: this.#waiting.length > 0 });
      this.#advance();
    };
    const work = Promise.resolve(result);
    work.then(
      () => end(true),
      () => end(false),
    );
    return work;
  }

  #countStart(): void {
    if (this.#started === 0) setImmediate(() => this.#endTurn());
    this.#started += 1;
  }

  #endTurn(): void {
    this.#started = 0;
    this.#advance();
  }

  /** Starts the requests that the store is ready for, and rejects those that can't be signed in time any more. */
  #advance(): void {
    while (this.#mayStart) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      if (isAborted(next.deadline)) next.reject(next.deadline.signal.reason);
      else startOrReject(next);
    }
    this.#refuseLate();
    this.#checkLater();
  }

  /** The last request waits longest, so those before it are checked only if it is refused. */
  #refuseLate(): void {
    for (let last = this.#waiting.at(-1); last !== undefined; last = this.#waiting.at(-1)) {
      const error = this.#lateness(this.#waiting.length - 1, last.deadline);
      if (error === undefined && !isAborted(last.deadline)) return;
      this.#waiting.pop();
      last.reject(error ?? last.deadline.signal.reason);
    }
  }

  /** Returns the error if a request behind others can't be signed in time. */
  #lateness(ahead: number, { timeLeft }: QueueDeadline): SignerError | undefined {
    const wait = this.#window.waitBehind(ahead);
    return isInTime(wait, timeLeft) ? undefined : tooManyWaiting(ahead, wait, timeLeft);
  }

  /** Requests that have exceeded their limit may never end, so they don't keep their place. */
  #checkLater(): void {
    if (this.#waiting.length === 0 || this.#timer !== undefined) return;
    // The responses that have arrived are read before the check.
    this.#timer = setTimeout(() => setImmediate(() => this.#check()), CHECK_PERIOD);
    this.#timer.unref();
  }

  #check(): void {
    this.#timer = undefined;
    this.#window.check();
    this.#advance();
  }
}

function startOrReject({ start, reject }: WaitingRequest): void {
  try {
    start();
  } catch (error) {
    reject(error);
  }
}
