/** Sends a request again if it hangs, but not if it only waits in the store's queue: that would make the queue longer. */
import { withAttempts } from "../../src/keystore/attempts.js";

type Send<T> = (signal: AbortSignal) => Promise<T>;

/** A request in flight. */
interface SentRequest<T> {
  readonly response: Promise<T>;
  readonly controller: AbortController;
  readonly startedAt: number;
  /** How many requests were in flight before it. */
  readonly ahead: number;
  /** How many requests had ended before it was sent. */
  readonly endedBefore: number;
}

/** Milliseconds. A request that was sent less than this ago isn't said to hang. */
const PATIENCE = 1_000;
/** A queue doesn't answer this many later requests before an earlier one. */
const OVERTAKEN = 10;

/** Repeats the requests of one client. */
export class RequestRepeater {
  #inFlight = 0;
  #ended = 0;

  /** Sends a request that is harmless to repeat, and repeats it within the time limit if it hangs. */
  repeat<T>(signal: AbortSignal, send: Send<T>): Promise<T> {
    let current: SentRequest<T> | undefined;
    return withAttempts(signal, () => {
      if (current && !this.#hangs(current)) return current.response;
      current?.controller.abort();
      current = this.#send(signal, send);
      return current.response;
    });
  }

  /** It hangs if no request has ended since it was sent, or if many ended that were sent later. */
  #hangs({ startedAt, ahead, endedBefore }: SentRequest<unknown>): boolean {
    const ended = this.#ended - endedBefore;
    return performance.now() - startedAt >= PATIENCE && (ended === 0 || ended >= ahead + OVERTAKEN);
  }

  #send<T>(signal: AbortSignal, send: Send<T>): SentRequest<T> {
    const controller = new AbortController();
    const abort = () => controller.abort(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    const sent = { controller, startedAt: performance.now(), ahead: this.#inFlight, endedBefore: this.#ended };
    this.#inFlight += 1;
    const response = send(controller.signal).finally(() => {
      signal.removeEventListener("abort", abort);
      this.#inFlight -= 1;
      // A request that was given up says nothing about the store.
      if (!controller.signal.aborted) this.#ended += 1;
    });
    response.catch(() => undefined);
    return { ...sent, response };
  }
}
