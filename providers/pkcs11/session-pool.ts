/** The sessions of one signer: each carries one operation at a time, and nobody outside sees one for longer. */
import { SignerError } from "../../src/errors.js";
import type { Handle } from "./client.js";

interface PoolOptions {
  /** How many sessions there may be. */
  size: number;
  /** How many callers may wait for one. */
  maxWaiting: number;
  open(): Handle;
  close(session: Handle): void;
  /** Called before an operation, which it may refuse by throwing; and after it. */
  enter(): void;
  leave(): void;
  /** Whether opening failed because the token has no session left. */
  isFull(error: unknown): boolean;
}

export interface Waiting {
  /** Ends the wait for a session. */
  readonly signal: AbortSignal;
  /** Waits however many others do: a recovery, for which all of them wait. */
  readonly always?: boolean;
}

/** Handles of an earlier epoch are closed when they come back, not kept. */
interface Session {
  readonly handle: Handle;
  readonly epoch: number;
}

interface Waiter {
  serve(session: Session): void;
  refuse(error: unknown): void;
}

export class SessionPool {
  readonly #options: PoolOptions;
  readonly #idle: Session[] = [];
  readonly #waiting = new Set<Waiter>();
  #size: number;
  /** At rest and at work, of all epochs. */
  #open = 0;
  #epoch = 0;
  #closed: SignerError | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#size = options.size;
  }

  /**
   * Runs one operation on a session of its own. A session on which it failed is closed: it may carry half an operation.
   *
   * @throws {SignerError} code `throttled` if too many wait already
   */
  async use<T>(work: (session: Handle) => T | Promise<T>, waiting: Waiting): Promise<T> {
    const session = this.#take() ?? (await this.#wait(waiting));
    try {
      this.#options.enter();
      let result: T;
      try {
        result = await work(session.handle);
      } finally {
        this.#options.leave();
      }
      this.#release(session);
      return result;
    } catch (error) {
      this.#retire(session);
      throw error;
    }
  }

  /** Closes the sessions at rest; those at work are closed when they are done. */
  renew(): void {
    const former = this.#idle.splice(0);
    this.#epoch += 1;
    this.#size = this.#options.size;
    // A new one first, where there is room: with its last session the token would lose its login as well.
    if (former.length > 0 && this.#open < this.#size) this.#openBeforehand();
    for (const session of former) this.#close(session);
    this.#serveWaiters();
  }

  /** Refuses all who wait and all who come, and closes the sessions at rest; those at work when they are done. */
  close(error: SignerError): void {
    this.#closed = error;
    this.#refuseWaiters(error);
    for (const session of this.#idle.splice(0)) this.#close(session);
  }

  #take(): Session | undefined {
    if (this.#closed) throw this.#closed;
    return this.#idle.pop() ?? (this.#open < this.#size ? this.#openOne() : undefined);
  }

  /** A token that has fewer sessions than we were told is served with those it has. */
  #openOne(): Session | undefined {
    try {
      const handle = this.#options.open();
      this.#open += 1;
      return { handle, epoch: this.#epoch };
    } catch (error) {
      if (this.#open === 0 || !this.#options.isFull(error)) throw error;
      this.#size = this.#open;
      return undefined;
    }
  }

  #openBeforehand(): void {
    try {
      this.#idle.push({ handle: this.#options.open(), epoch: this.#epoch });
      this.#open += 1;
    } catch {
      // Whoever needs it tries again, and hears why.
    }
  }

  #wait({ signal, always }: Waiting): Promise<Session> {
    if (!always && this.#waiting.size >= this.#options.maxWaiting)
      throw new SignerError("throttled", `${this.#waiting.size} signatures wait for a session already.`);
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const leave = () => {
        this.#waiting.delete(waiter);
        signal.removeEventListener("abort", onAbort);
      };
      const onAbort = () => waiter.refuse(signal.reason);
      const waiter: Waiter = {
        serve: (session) => {
          leave();
          resolve(session);
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      this.#waiting.add(waiter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  #release(session: Session): void {
    if (this.#closed || session.epoch !== this.#epoch) this.#close(session);
    else this.#idle.push(session);
    this.#serveWaiters();
  }

  #retire(session: Session): void {
    this.#close(session);
    this.#serveWaiters();
  }

  #close(session: Session): void {
    this.#open -= 1;
    this.#options.close(session.handle);
  }

  /** In the order in which they came. */
  #serveWaiters(): void {
    if (this.#waiting.size === 0) return;
    try {
      for (const waiter of this.#waiting) {
        const session = this.#take();
        if (session === undefined) return;
        waiter.serve(session);
      }
    } catch (error) {
      // What one of them was told is true for all: the token is not asked again for each.
      this.#refuseWaiters(error);
    }
  }

  #refuseWaiters(error: unknown): void {
    for (const waiter of this.#waiting) waiter.refuse(error);
  }
}
