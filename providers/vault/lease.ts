/** How long a token is valid, and its renewal before that time ends. */
import { LONGEST_TIMEOUT } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";

/** What the server says about a token when it issues, describes or renews it. */
export interface LeaseTerms {
  /** Seconds until the token expires. 0 if it never does. */
  readonly seconds: number;
  readonly renewable: boolean;
}

/** Renews the token at the server. */
export type Renew = (token: string) => Promise<LeaseTerms>;

/** The part of its time after which a token is renewed. */
const RENEWAL_PART = 2 / 3;
/** Many processes that start together don't renew together: each does it up to this part earlier. */
const JITTER = 0.1;
/** Milliseconds. The shortest pause before a renewal. */
const MIN_PAUSE = 500;
/** The part of its time that a token must still have to be used for a request, but at most 10 seconds. */
const MARGIN_PART = 0.1;
const MAX_MARGIN = 10_000;
/** Milliseconds. A renewal that extends it by less has reached the token's maximum time. */
const MIN_EXTENSION = 1_000;

/** A token with its time. It renews itself as long as the server allows, and doesn't keep the process alive for it. */
export class Lease {
  readonly token: string;
  /** Whether the server has accepted the token for a request. */
  proven = false;
  readonly #renew: Renew;
  readonly #startedAt = performance.now();
  #expiresAt: number;
  #renewable: boolean;
  #margin: number;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  /** @param renew - Called if the terms allow it. */
  constructor(token: string, { seconds, renewable }: LeaseTerms, renew: Renew) {
    this.token = token;
    this.#renew = renew;
    this.#expiresAt = expiryIn(seconds);
    this.#renewable = renewable;
    this.#margin = Math.min(seconds * 1000 * MARGIN_PART, MAX_MARGIN);
    this.#schedule();
  }

  /** Whether the server has issued the token within this time, and hasn't accepted it for any request yet. */
  isNew(milliseconds: number): boolean {
    return !this.proven && performance.now() < this.#startedAt + milliseconds;
  }

  /** Whether the token will be renewed. */
  get renewable(): boolean {
    return this.#renewable;
  }

  /** Whether the token's time is up, or so nearly that a request could arrive too late. */
  get isOver(): boolean {
    return performance.now() > this.#expiresAt - this.#margin;
  }

  /** Stops the renewal. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    const left = this.#expiresAt - performance.now();
    if (this.#stopped || !this.#renewable || left <= 0 || left === Number.POSITIVE_INFINITY) return;
    const pause = left * RENEWAL_PART * (1 - JITTER * Math.random());
    this.#timer = setTimeout(() => void this.#renewNow(), Math.min(Math.max(pause, MIN_PAUSE), LONGEST_TIMEOUT));
    this.#timer.unref();
  }

  async #renewNow(): Promise<void> {
    try {
      const { seconds, renewable } = await this.#renew(this.token);
      const expiresAt = expiryIn(seconds);
      this.#renewable = renewable && expiresAt > this.#expiresAt + MIN_EXTENSION;
      this.#expiresAt = expiresAt;
    } catch (error) {
      // A server that can't be reached may renew it later. Any other error is its decision.
      this.#renewable = error instanceof SignerError && error.retryable;
    }
    this.#schedule();
  }
}

function expiryIn(seconds: number): number {
  return seconds > 0 ? performance.now() + seconds * 1000 : Number.POSITIVE_INFINITY;
}
