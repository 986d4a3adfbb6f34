/** Time limits: an operation ends when its time is up or its caller aborts, even if its work never ends. */

import { setMaxListeners } from "node:events";
import { HardproofError } from "./errors.js";

/** The time limit, as its work sees it. */
export interface Deadline {
  /**
   * Aborts when the time is up or the caller aborts. Created on first access, because most signatures don't need it.
   */
  readonly signal: AbortSignal;
  /** Milliseconds until the time is up, or that of the work around this one. `Infinity` without a time limit. */
  readonly timeLeft: number;
}

interface Limit {
  /** Milliseconds. `Infinity` for no time limit. */
  timeout: number;
  /** The caller's signal. That of another deadline also limits `timeLeft`. */
  signal?: AbortSignal | undefined;
  /** Creates the error that the caller gets. `cause` is the signal's reason. */
  toError: (reason: "timeout" | "aborted", cause?: unknown) => unknown;
}

/** The deadlines that the signals belong to: work within other work has no more time than that. */
const deadlines = new WeakMap<AbortSignal, LazyDeadline>();

/** Milliseconds: the longest delay of `setTimeout`. A longer one fires immediately. */
export const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Runs work within a time limit. Synchronous work isn't limited.
 *
 * @returns What the work returns.
 * @throws What the work throws, or `toError(…)` when the time is up or `signal` aborts.
 */
export function withDeadline<Result>(limit: Limit, work: (deadline: LazyDeadline) => Result): Result;
export function withDeadline<T>(limit: Limit, work: (deadline: LazyDeadline) => T | Promise<T>): T | Promise<T> {
  const { signal, toError } = limit;
  assertSignal(signal);
  if (signal?.aborted) throw toError("aborted", signal.reason);
  const deadline = new LazyDeadline(Math.min(limit.timeout, timeLeftOf(signal)));
  const result = work(deadline);
  return result instanceof Promise ? race(result, limit, deadline) : result;
}

/**
 * Rejects as soon as `signal` aborts. Doesn't cancel the work; pass the signal to it as well.
 *
 * @param work - Must reject rather than throw.
 * @returns What the work returns.
 * @throws The signal's reason when it aborts, as `fetch` does; otherwise what the work throws.
 */
export function untilAborted<T>(signal: AbortSignal | null | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined || signal === null) return work();
  assertSignal(signal);
  if (signal.aborted) return Promise.reject(signal.reason);
  return race(work(), { timeout: Number.POSITIVE_INFINITY, signal, toError: (_, cause) => cause });
}

/** Returns the deadline of a call by what its work sees of it: `undefined` for any other signal. */
export function deadlineOf(call: AbortSignal | { readonly signal: AbortSignal }): LazyDeadline | undefined {
  if (call instanceof LazyDeadline) return call;
  return deadlines.get("signal" in call ? call.signal : call);
}

/** Returns whether a call is aborted or its time is up, without creating its signal. */
export function isAborted(call: LazyDeadline | { readonly signal: AbortSignal }): boolean {
  return call instanceof LazyDeadline ? call.aborted : call.signal.aborted;
}

/** Returns the milliseconds until the time of the signal's deadline is up: `Infinity` for any other signal. */
export function timeLeftOf(signal: AbortSignal | undefined): number {
  return (signal && deadlines.get(signal)?.timeLeft) ?? Number.POSITIVE_INFINITY;
}

/** Checks an option of the caller. A listener that can't be added or removed would otherwise throw in a timer. */
function assertSignal(signal: AbortSignal | null | undefined): void {
  if (signal === undefined || signal === null || typeof signal.addEventListener === "function") return;
  throw new HardproofError("misconfigured", "signal must be an AbortSignal.");
}

/** A {@link Deadline} that creates its signal on first access. */
export class LazyDeadline implements Deadline {
  #controller: AbortController | undefined;
  /** Controllers of parts of the work. Created on first use. */
  #parts: Set<AbortController> | undefined;
  #reason: unknown;
  #until = Number.POSITIVE_INFINITY;

  /** @param timeLeft - As for {@link expireIn}. */
  constructor(timeLeft?: number) {
    this.expireIn(timeLeft);
  }

  /**
   * Sets `timeLeft`. The deadline doesn't abort when that time is up.
   *
   * @param timeLeft - Milliseconds. Default: no time limit.
   */
  expireIn(timeLeft = Number.POSITIVE_INFINITY): void {
    this.#until = timeLeft === Number.POSITIVE_INFINITY ? timeLeft : performance.now() + timeLeft;
  }

  get timeLeft(): number {
    return this.#until - performance.now();
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#newController();
    return this.#controller.signal;
  }

  /** Returns the controller of a part of the work, which also aborts with the deadline. Release it when that part ends. */
  newPart(): AbortController {
    const part = new AbortController();
    if (this.aborted) part.abort(this.#reason);
    this.#parts ??= new Set();
    this.#parts.add(part);
    return part;
  }

  releasePart(part: AbortController): void {
    this.#parts?.delete(part);
  }

  #newController(): AbortController {
    const controller = new AbortController();
    // A call can have many requests at the same time, such as one for each key of a list.
    setMaxListeners(Number.POSITIVE_INFINITY, controller.signal); // undici rejects 0
    if (this.aborted) controller.abort(this.#reason);
    deadlines.set(controller.signal, this);
    return controller;
  }

  get aborted(): boolean {
    return this.#reason !== undefined;
  }

  abort(reason: unknown): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const part of this.#parts ?? []) part.abort(reason);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.#reason;
  }
}

function race<T>(work: Promise<T>, { timeout, signal, toError }: Limit, deadline?: LazyDeadline): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cleanUp = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const stop = (error: unknown) => {
      cleanUp();
      deadline?.abort(error);
      reject(error);
    };
    const onAbort = () => stop(toError("aborted", signal?.reason));
    const onTimeout = () => stop(toError("timeout"));
    const timer =
      timeout === Number.POSITIVE_INFINITY ? undefined : setTimeout(onTimeout, Math.min(timeout, LONGEST_TIMEOUT));
    signal?.addEventListener("abort", onAbort);
    // Several times as fast as `finally`.
    work.then(
      (value) => {
        cleanUp();
        resolve(value);
      },
      (error) => {
        cleanUp();
        reject(error);
      },
    );
  });
}
