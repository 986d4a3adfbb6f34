/** The state of one signer's key, or of one task on a token, in the thread that started the workers. */
import { SignerError } from "../../src/errors.js";
import type { LibraryWorker } from "./library-worker.js";
import type { KeySpec, Opened } from "./protocol.js";

/** Milliseconds until the next attempt after a failed recovery. Doubles with each failure, up to {@link LAST_PAUSE}. */
const FIRST_PAUSE = 250;
const LAST_PAUSE = 30_000;
/** Milliseconds until the next attempt to open a further session, after the token has refused one. */
const SESSION_PAUSE = 10_000;

let keys = 0;

/** What a {@link LibraryKey} is created from. */
export interface KeyRequest {
  readonly spec: KeySpec;
  /** Reads the PIN for each login. `undefined` for a token that needs no login, or has a PIN pad. */
  readonly readPin: (() => Promise<string>) | undefined;
  /** The most sessions, and so the most workers. */
  readonly sessions: number;
  /** The most requests that may wait. */
  readonly maxWaiting: number;
}

/** Limits the sessions, the waiting requests and the recoveries of one key. */
export class LibraryKey {
  readonly id = ++keys;
  readonly readPin: KeyRequest["readPin"];
  /** The workers that have a session for the key. */
  readonly workers = new Set<LibraryWorker>();
  readonly #maxWaiting: number;
  spec: KeySpec;
  #sessions: number;
  #noMoreSessionsUntil = 0;
  #pending = 0;
  #pause = FIRST_PAUSE;
  #unavailableUntil = 0;

  constructor({ spec, readPin, sessions, maxWaiting }: KeyRequest) {
    this.spec = spec;
    this.readPin = readPin;
    this.#sessions = sessions;
    this.#maxWaiting = maxWaiting;
  }

  /** Whether a further worker may open a session for the key. */
  get canGrow(): boolean {
    return this.workers.size < this.#sessions && (this.workers.size === 0 || now() >= this.#noMoreSessionsUntil);
  }

  /**
   * Counts a request as pending.
   *
   * @throws {SignerError} With code `throttled` if too many requests are already waiting.
   */
  enter(): void {
    if (this.#pending > this.#maxWaiting)
      throw new SignerError("throttled", `${this.#pending - 1} signatures are already waiting for a session.`);
    this.#pending += 1;
  }

  /** Counts a request as done. */
  leave(): void {
    this.#pending -= 1;
  }

  /** @throws {SignerError} With code `unavailable` until the next recovery is due, so that callers don't wait for the token. */
  checkAvailable(): void {
    if (now() < this.#unavailableUntil)
      throw new SignerError(
        "unavailable",
        "The token was lost and could not be recovered. The next attempt is due within 30 seconds.",
      );
  }

  /** Records the public key and the token's limit of sessions. */
  opened({ publicJwk, maxSessions = Number.POSITIVE_INFINITY }: Opened): void {
    this.spec = { ...this.spec, expected: publicJwk };
    this.#sessions = Math.min(this.#sessions, maxSessions);
  }

  /** Records that the token is available. */
  succeeded(): void {
    this.#pause = FIRST_PAUSE;
    this.#unavailableUntil = 0;
  }

  /** Records a failed recovery. Returns the error for the caller. */
  lost(cause: SignerError): SignerError {
    if (!this.spec.expected) return cause;
    if (now() >= this.#unavailableUntil) {
      this.#unavailableUntil = now() + this.#pause;
      this.#pause = Math.min(2 * this.#pause, LAST_PAUSE);
    }
    return new SignerError("unavailable", `The token was lost and could not be recovered: ${cause.message}`, { cause });
  }

  /** Records that the token refused a session to a further worker. */
  sessionRefused(worker: LibraryWorker): void {
    this.workers.delete(worker);
    this.#noMoreSessionsUntil = now() + SESSION_PAUSE;
  }
}

/** Monotonic time. */
function now(): number {
  return performance.now();
}
