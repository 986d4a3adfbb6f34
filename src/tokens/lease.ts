/** A lease on one token: it is extended while its work runs, and expires if its process is killed. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { untilAborted } from "../deadline.js";
import { TokenStoreError } from "../errors.js";
import type { LeasedRecords } from "./leased-records.js";

/** Milliseconds between two attempts to take a lease: the first pause, and the longest one. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 250;
/** Milliseconds between two attempts to write to a store that can't be reached. */
const STORE_PAUSE = 200;
/** Milliseconds. Longer than a token request with its retries takes. */
const LONGEST_WAIT = 60_000;

/** Where a lease is, and how long it lasts. */
export interface LeaseOptions {
  readonly records: LeasedRecords;
  /** The id of the token. */
  readonly id: string;
  /** Milliseconds. */
  readonly duration: number;
  /** Stops waiting for the lease. */
  readonly signal?: AbortSignal | undefined;
}

/** A lease that this process has taken. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #owner: string;
  readonly #timer: NodeJS.Timeout;
  #hasEnded = false;

  /**
   * Waits until the lease is free, and takes it.
   *
   * @throws {TokenStoreError} With code `unavailable` if the store fails, or the lease isn't free within a minute.
   */
  static async take(options: LeaseOptions): Promise<Lease> {
    const { records, id, duration, signal } = options;
    const owner = randomUUID();
    const until = performance.now() + Math.max(LONGEST_WAIT, 2 * duration);
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE)) {
      if (await takeOnce(options, owner)) return new Lease(options, owner);
      if (performance.now() > until) throw neverFree(records, id);
      await untilAborted(signal, () => wait(pause * (0.5 + Math.random())));
    }
  }

  /** @param owner - Unique to this lease, so it is the fence of its writes, too. */
  private constructor(options: LeaseOptions, owner: string) {
    const { records, id, duration } = options;
    this.#options = options;
    this.#owner = owner;
    this.#timer = setInterval(() => {
      // A failure isn't the end of the lease: the next attempt may succeed before another process takes it.
      const extended = records.extend(id, owner, duration).catch(() => true);
      void extended.then((isOurs) => isOurs || clearInterval(this.#timer));
    }, duration / 3);
    this.#timer.unref();
  }

  /**
   * Writes, unless another process has taken the lease. While the store can't be reached, retries for as long as the
   * lease lasts: a token that replaces a refresh token must not be lost.
   *
   * @throws {TokenStoreError} With code `lease-lost` if another process has taken the lease.
   */
  async write(operation: (id: string, owner: string) => Promise<boolean>): Promise<void> {
    const { records, id, duration } = this.#options;
    const until = performance.now() + duration;
    const attempt = async (): Promise<boolean> => {
      try {
        return await operation(id, this.#owner);
      } catch (reason) {
        if (!records.isRemote || performance.now() > until) throw reason;
        await wait(STORE_PAUSE);
        return attempt();
      }
    };
    if (!(await attempt())) throw leaseLost(records);
  }

  /** Whether {@link Lease.end} was called. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Frees the lease. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    clearInterval(this.#timer);
    await release(this.#options, this.#owner);
  }
}

/** A request whose response was lost may have taken the lease, so it is freed after a failure. */
async function takeOnce({ records, id, duration }: LeaseOptions, owner: string): Promise<boolean> {
  try {
    return await records.take(id, owner, duration);
  } catch (reason) {
    void release({ records, id, duration }, owner);
    throw reason;
  }
}

/** Frees a lease. If the store can't be reached, tries again in the background, until the lease expires. */
async function release(options: LeaseOptions, owner: string, until = performance.now() + options.duration) {
  const { records, id } = options;
  const isReleased = await records.release(id, owner).then(
    () => true,
    () => false,
  );
  if (isReleased || !records.isRemote || performance.now() > until) return;
  void wait(STORE_PAUSE, undefined, { ref: false }).then(() => release(options, owner, until));
}

function neverFree({ title }: LeasedRecords, id: string): TokenStoreError {
  const problem = `${title} is locked: another process has been working with the token ${id} for too long`;
  return new TokenStoreError("unavailable", `${problem}. Find the process that doesn't finish, and end it.`);
}

function leaseLost({ title }: LeasedRecords): TokenStoreError {
  const problem = `${title} was not written: this process didn't run for longer than its lease, and another one took it`;
  return new TokenStoreError("lease-lost", `${problem}. Read the token again; it may be a newer one.`);
}
