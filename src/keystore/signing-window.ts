/** How many requests a store can have in flight without letting any of them wait for long, by its response times. */
import { ResponseRate } from "./response-rate.js";

/** Requests in flight before the store's capacity is known. One signature after the other, they take 3.2 s at 100 ms. */
const FIRST_WINDOW = 32;
/** More requests than this compete for the sockets of AWS's client. */
const MAX_WINDOW = 500;
/** Milliseconds. As many requests are in flight as the store answers in this time, or in twice that of an idle store. */
const TARGET = 1_000;
/** Milliseconds. Even if the estimate is too high, a proof must not be older than 5 s when it is sent. */
const MAX_TARGET = 3_000;
/** A response that took this many times as long as from an idle store has waited there for others. */
const QUEUED = 1.5;
/**
 * Milliseconds. A store that hasn't responded for this long may wait for more requests. The first response can be slow, since
 * the store's client connects.
 */
const SILENCE = 5_000;
/** How much the last signature counts in the average time. */
const WEIGHT = 0.2;

const now = () => performance.now();

/** A request that the store hasn't answered. */
export interface PendingRequest {
  readonly startedAt: number;
  /** Monotonic time at which its caller stops waiting. */
  readonly expiresAt: number;
  /** How many requests were in flight when it was started, with itself. */
  readonly position: number;
}

/** What is known when a request ends. */
export interface RequestEnd {
  readonly succeeded: boolean;
  /** Whether other requests wait to be started. */
  readonly othersWait: boolean;
}

/** The number of requests that may be in flight. It grows while responses are fast, and shrinks when they become slow. */
export class SigningWindow {
  readonly #limit: number;
  readonly #pending = new Set<PendingRequest>();
  #size: number;
  /** Monotonic time. Responses to earlier requests don't let the window grow. */
  #shrunkAt = 0;
  /** Monotonic time of the first request. */
  #begunAt: number | undefined;
  /** Milliseconds that the store takes for one request when it is idle. `undefined` before the first response. */
  #idle: number | undefined;
  /** Milliseconds of the last response. */
  #latency = 0;
  /** Milliseconds of a response, divided among the requests in flight, while the store is at its limit. Otherwise 0. */
  #share = 0;
  readonly #rate = new ResponseRate();

  constructor(limit = MAX_WINDOW) {
    this.#limit = limit;
    this.#size = Math.min(FIRST_WINDOW, limit);
  }

  /** Whether one more request may be started. */
  get isOpen(): boolean {
    return this.#pending.size < this.#size;
  }

  /** Returns the milliseconds until the signature of a request that waits behind others; 0 if that isn't known. */
  waitBehind(ahead: number): number {
    // The share is too long after a slow start, and the interval if the store answers many requests together.
    const interval = Math.min(this.#share, this.#rate.interval);
    return interval === 0 ? 0 : ahead * interval + this.#latency;
  }

  begin(timeLeft = Number.POSITIVE_INFINITY): PendingRequest {
    const startedAt = now();
    this.#begunAt ??= startedAt;
    const request = { startedAt, expiresAt: startedAt + timeLeft, position: this.#pending.size + 1 };
    this.#pending.add(request);
    return request;
  }

  end(request: PendingRequest, { succeeded, othersWait }: RequestEnd): void {
    const isFull = othersWait && !this.isOpen; // only then, a larger window would be used
    if (!this.#pending.delete(request) || !succeeded) return;
    const latency = now() - request.startedAt;
    // Before it is known how many signatures the store makes at the same time, it is assumed to be one.
    if (this.#idle === undefined) this.#size = Math.max(1, Math.min(this.#size, Math.floor(MAX_TARGET / latency)));
    const idle = request.position === 1 ? latency : Math.min(latency, this.#idle ?? latency);
    this.#idle = idle;
    this.#latency = latency;
    this.#rate.responded(now(), othersWait);
    const isQueued = latency >= Math.min(QUEUED * idle, MAX_TARGET);
    // Requests of a smaller window don't show what the store can take.
    const isRelevant = request.position > this.#size / 2;
    if (isRelevant) this.#measure(latency / request.position, isQueued || this.#size >= this.#limit);
    const target = Math.min(Math.max(TARGET, 2 * idle), MAX_TARGET);
    const size = target * (request.position / latency);
    if (isQueued && size < this.#size) this.#shrink(size);
    else if (isFull && isRelevant && request.startedAt >= this.#shrunkAt)
      this.#grow(!isQueued || size > 2 * this.#size);
  }

  /** Forgets requests that have exceeded their limit. Tries more requests if the store has never responded. */
  check(): void {
    for (const request of this.#pending) if (request.expiresAt < now()) this.#pending.delete(request);
    if (this.#idle !== undefined || now() - (this.#begunAt ?? now()) < SILENCE) return;
    this.#size = this.#limit;
  }

  #shrink(size: number): void {
    this.#size = Math.max(1, Math.floor(size));
    this.#shrunkAt = now();
  }

  /** @param fast - Doubles the window in one round trip; otherwise, adds one request. */
  #grow(fast: boolean): void {
    this.#size = Math.min(this.#limit, this.#size + (fast ? 1 : 1 / this.#size));
  }

  /** @param isAtLimit - A store with capacity left doesn't show how many requests it can take. */
  #measure(share: number, isAtLimit: boolean): void {
    if (!isAtLimit) this.#share = 0;
    else this.#share = this.#share === 0 ? share : this.#share + WEIGHT * (share - this.#share);
  }
}
