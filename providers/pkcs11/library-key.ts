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
const now = () => performance.now();

/** Limits the sessions and the recoveries of one key. */
export class LibraryKey {
  readonly id = ++keys;
  readonly spec: KeySpec;
  /** Reads the PIN for each login. `undefined` for a token that needs no login, or has a PIN pad. */
  readonly readPin: (() => Promise<string>) | undefined;
  /** The workers that have a session for the key. */
  readonly workers = new Set<LibraryWorker>();
  /** The public key that the key must have. `undefined` before the key was first opened. */
  expected: KeySpec["expected"];
  #sessions: number;
  #noMoreSessionsUntil = 0;
  #pause = FIRST_PAUSE;
  #unavailableUntil = 0;

  /** @param sessions - The most sessions, and so the most workers. */
  constructor(spec: KeySpec, readPin: (() => Promise<string>) | undefined, sessions: number) {
    this.spec = spec;
    this.expected = spec.expected;
    this.readPin = readPin;
    this.#sessions = sessions;
  }

  /** Whether a further worker may open a session for the key. */
  get canGrow(): boolean {
    return this.workers.size < this.#sessions && (this.workers.size === 0 || now() >= this.#noMoreSessionsUntil);
  }

  /** How many workers may sign with the key at the same time. */
  get maxWorkers(): number {
    return this.canGrow ? this.#sessions : Math.max(1, this.workers.size);
  }

  /** @throws {SignerError} With code `unavailable` until the next recovery is due, so that callers don't wait for the token. */
  checkAvailable(): void {
    if (now() >= this.#unavailableUntil) return;
    const message = "The token was lost and could not be recovered. The next attempt is due within 30 seconds.";
    throw new SignerError("unavailable", message);
  }

  /** Records the public key and the token's limit of sessions. */
  opened({ publicJwk, maxSessions = Number.POSITIVE_INFINITY }: Opened): void {
    this.expected = publicJwk;
    this.#sessions = Math.min(this.#sessions, maxSessions);
  }

  /** Records that the token is available. */
  succeeded(): void {
    this.#pause = FIRST_PAUSE;
    this.#unavailableUntil = 0;
  }

  /** Records a failed recovery. Returns the error for the caller. */
  lost(cause: SignerError): SignerError {
    if (!this.expected) return cause;
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
