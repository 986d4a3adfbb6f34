/** How many requests a store can have in flight without letting any of them wait for long, by its response times. */

/** Requests in flight before the store's capacity is known. One signature after the other, they take 3.2 s at 100 ms. */
const FIRST_WINDOW = 32;
/** More requests than this compete for the sockets of AWS's client. */
const MAX_WINDOW = 500;
/** Milliseconds. A store that takes longer than this, and twice as long as when it is idle, has too many requests. */
const TARGET = 1_000;
/** Milliseconds. A proof must not be older than 5 s when it is sent. */
const MAX_TARGET = 4_000;
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
  #shrunkAt = 0;
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
    const request = { startedAt, expiresAt: startedAt + timeLeft, position: this.#pending.size + 1 };
    this.#pending.add(request);
    return request;
  }

  end(request: PendingRequest, { succeeded, isFull }: RequestEnd): void {
    if (!this.#pending.delete(request) || !succeeded) return;
    const latency = now() - request.startedAt;
    const idle = request.position === 1 ? latency : Math.min(latency, this.#idle ?? latency);
    this.#idle = idle;
    this.#latency = latency;
    const isQueued = latency >= 2 * idle;
    this.#measure(request, latency, isQueued);
    const target = Math.min(Math.max(TARGET, 2 * idle), MAX_TARGET);
    if (latency > target) this.#shrink(request, target / latency);
    else if (isFull) this.#size = Math.min(this.#limit, this.#size + (isQueued ? 1 / this.#size : 1));
  }

  /** Forgets requests that have exceeded their limit. Tries more requests if the store has never responded. */
  check(): void {
    for (const request of this.#pending) if (request.expiresAt < now()) this.#pending.delete(request);
    if (this.#idle === undefined) this.#size = Math.min(this.#limit, 2 * this.#size);
  }

  /** Once in each round trip: the other responses to requests of that time say the same. */
  #shrink({ position, startedAt }: PendingRequest, factor: number): void {
    if (startedAt < this.#shrunkAt) return;
    this.#shrunkAt = now();
    this.#size = Math.max(1, Math.floor(position * factor));
  }

  /** A store with capacity left doesn't show how many requests it can take. */
  #measure({ position }: PendingRequest, latency: number, isQueued: boolean): void {
    if (position <= this.#size / 2) return;
    const isAtLimit = isQueued || this.#size >= this.#limit;
    const sample = latency / position;
    if (!isAtLimit) this.#interval = 0;
    else this.#interval = this.#interval === 0 ? sample : this.#interval + WEIGHT * (sample - this.#interval);
  }
}
