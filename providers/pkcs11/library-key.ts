/** One signer's key, or one task on a token, as the main side of a library sees it. */
import { SignerError } from "../../src/errors.js";
import type { LibraryWorker } from "./library-worker.js";
import type { KeySpec, Opened } from "./protocol.js";

/** Milliseconds in which nothing is tried after a recovery that failed: doubled each time, up to the last. */
const FIRST_PAUSE = 250;
const LAST_PAUSE = 30_000;
/** Milliseconds for which a token that refused a further session isn't asked for one. */
const SESSION_PAUSE = 10_000;

let keys = 0;

export interface KeyRequest {
  readonly spec: KeySpec;
  /** Reads the PIN; it is called for each login. `undefined` for a token that takes no PIN from here. */
  readonly readPin: (() => Promise<string>) | undefined;
  /** The most sessions, and so the most workers. */
  readonly sessions: number;
  /** How many requests may wait. */
  readonly maxWaiting: number;
}

export class LibraryKey {
  readonly id = ++keys;
  readonly readPin: KeyRequest["readPin"];
  /** The workers that have a session for it. */
  readonly workers = new Set<LibraryWorker>();
  readonly #maxWaiting: number;
  spec: KeySpec;
  #sessions: number;
  #noMoreSessionsUntil = 0;
  #pending = 0;
  #pause = FIRST_PAUSE;
  #awayUntil = 0;

  constructor({ spec, readPin, sessions, maxWaiting }: KeyRequest) {
    this.spec = spec;
    this.readPin = readPin;
    this.#sessions = sessions;
    this.#maxWaiting = maxWaiting;
  }

  /** Whether a further worker may open a session for it. */
  get canGrow(): boolean {
    return this.workers.size < this.#sessions && (this.workers.size === 0 || now() >= this.#noMoreSessionsUntil);
  }

  /** @throws {SignerError} With code `throttled` if too many requests wait already. */
  enter(): void {
    if (this.#pending > this.#maxWaiting)
      throw new SignerError("throttled", `${this.#pending - 1} signatures are already waiting for a session.`);
    this.#pending += 1;
  }

  leave(): void {
    this.#pending -= 1;
  }

  /** @throws {SignerError} With code `unavailable` right after a recovery that failed: callers don't wait for another one. */
  checkAvailable(): void {
    if (now() < this.#awayUntil)
      throw new SignerError("unavailable", "The token is away, or lost the key. The next attempt follows in a moment.");
  }

  opened({ publicJwk, maxSessions = Number.POSITIVE_INFINITY }: Opened): void {
    this.spec = { ...this.spec, expected: publicJwk };
    this.#sessions = Math.min(this.#sessions, maxSessions);
  }

  succeeded(): void {
    this.#pause = FIRST_PAUSE;
    this.#awayUntil = 0;
  }

  /** A recovery has failed. */
  lost(cause: SignerError): SignerError {
    if (!this.spec.expected) return cause;
    if (now() >= this.#awayUntil) {
      this.#awayUntil = now() + this.#pause;
      this.#pause = Math.min(2 * this.#pause, LAST_PAUSE);
    }
    return new SignerError("unavailable", `The token was lost and could not be recovered: ${cause.message}`, { cause });
  }

  sessionRefused(worker: LibraryWorker): void {
    this.workers.delete(worker);
    this.#noMoreSessionsUntil = now() + SESSION_PAUSE;
  }
}

/** Monotonic time. */
function now(): number {
  return performance.now();
}
