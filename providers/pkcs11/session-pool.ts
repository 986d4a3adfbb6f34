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
  #open = 0;
  #epoch = 0;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#size = options.size;
  }

  /**
   * Runs one operation on a session of its own. A session on which it failed is closed: it may carry half an operation.
   *
   * @param signal - ends the wait for a session
   * @throws {SignerError} code `throttled` if too many wait already
   */
  async use<T>(work: (session: Handle) => Promise<T>, waiting: { readonly signal: AbortSignal }): Promise<T> {
    const session = this.#take() ?? (await this.#wait(waiting));
    try {
      const result = await work(session.handle);
      this.#release(session);
      return result;
    } catch (error) {
      this.#retire(session);
      throw error;
    }
  }

  /** Closes the sessions at rest; those at work are closed when they are done. */
  renew(): void {
    this.#epoch += 1;
    this.#open = 0;
    for (const { handle } of this.#idle.splice(0)) this.#options.close(handle);
    this.#serveWaiters();
  }

  /** Refuses all who wait and closes the sessions at rest. */
  close(error: SignerError): void {
    this.#size = 0;
    for (const waiter of this.#waiting) waiter.refuse(error);
    this.renew();
  }

  #take(): Session | undefined {
    return this.#idle.pop() ?? (this.#open < this.#size ? this.#openOne() : undefined);
  }

  /** A token that has fewer sessions than we were told is served with those it has. */
  #openOne(): Session | undefined {
    try {
      const handle = this.#options.open();
      this.#open += 1;
      return { handle, epoch: this.#epoch };
    } catch (error) {
      if (this.#open === 0) throw error;
      this.#size = this.#open;
      return undefined;
    }
  }

  #wait(waiting: { readonly signal: AbortSignal }): Promise<Session> {
    if (this.#waiting.size >= this.#options.maxWaiting)
      throw new SignerError("throttled", `${this.#waiting.size} signatures wait for a session already.`);
    const { signal } = waiting;
    return new Promise((resolve, reject) => {
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
    if (session.epoch !== this.#epoch) {
      this.#options.close(session.handle);
      return;
    }
    this.#idle.push(session);
    this.#serveWaiters();
  }

  #retire(session: Session): void {
    this.#options.close(session.handle);
    if (session.epoch !== this.#epoch) return;
    this.#open -= 1;
    this.#serveWaiters();
  }

  /** In the order in which they came. */
  #serveWaiters(): void {
    for (const waiter of this.#waiting) {
      try {
        const session = this.#take();
        if (session === undefined) return;
        waiter.serve(session);
      } catch (error) {
        waiter.refuse(error);
      }
    }
  }
}
