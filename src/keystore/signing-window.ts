/** How many requests a store can have in flight without letting any of them wait for long, by its response times. */

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
/** Milliseconds. A new store that doesn't respond for this long may wait for more requests. Its first response can be slow. */
const SILENCE = 2_000;
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
  /** Whether other requests wait, so that a larger window would be used. */
  readonly isFull: boolean;
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
  /** Milliseconds from one response to the next while the store works at its limit. 0 if that isn't known. */
  #interval = 0;

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
    return this.#interval === 0 ? 0 : ahead * this.#interval + this.#latency;
  }

  begin(timeLeft = Number.POSITIVE_INFINITY): PendingRequest {
    const startedAt = now();
    this.#begunAt ??= startedAt;
    const request = { startedAt, expiresAt: startedAt + timeLeft, position: this.#pending.size + 1 };
    this.#pending.add(request);
    return request;
  }

  end(request: PendingRequest, { succeeded, isFull }: RequestEnd): void {
    if (!this.#pending.delete(request) || !succeeded) return;
    const latency = now() - request.startedAt;
    // Before it is known how many signatures the store makes at the same time, it is assumed to be one.
    if (this.#idle === undefined) this.#size = Math.max(1, Math.min(this.#size, Math.floor(MAX_TARGET / latency)));
    const idle = request.position === 1 ? latency : Math.min(latency, this.#idle ?? latency);
    this.#idle = idle;
    this.#latency = latency;
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
    this.#size = Math.min(this.#limit, 4 * this.#size);
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
  #measure(interval: number, isAtLimit: boolean): void {
    if (!isAtLimit) this.#interval = 0;
    else this.#interval = this.#interval === 0 ? interval : this.#interval + WEIGHT * (interval - this.#interval);
  }
}
