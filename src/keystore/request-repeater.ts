/** Requests that a key store never answers are sent again, within the time limit of the whole call. */
import { deadlineOf, type LazyDeadline } from "../deadline.js";

/**
 * Parts of the whole time after which a request that hangs is aborted and sent again. The last one has the rest, which is
 * half of the time, so that a store that is merely slow still answers.
 */
const SHARES = [1 / 6, 1 / 3] as const;
/** Milliseconds. A request that was sent less than this ago doesn't hang. Node's timers fire up to a millisecond early. */
const PATIENCE = 1_000 - 1;
/** A queue doesn't answer this many later requests before an earlier one. */
const OVERTAKEN = 10;

const unanswered = Symbol("unanswered");

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

/**
 * Sends the requests of one client of a key store, and sends a request again that hangs. One that waits in the store's queue
 * isn't sent again: that would make the queue longer.
 *
 * @example
 * ```ts
 * const repeater = new RequestRepeater();
 * const response = await repeater.repeat(options, (signal) => client.sign(digest, { abortSignal: signal }));
 * ```
 */
export class RequestRepeater {
  #inFlight = 0;
  #ended = 0;

  /**
   * Sends a request. After a sixth of the time, and after a third more, it is aborted and sent again if it hangs: if the store
   * has answered nothing since it was sent, or many later requests.
   *
   * @param call - The options of the whole call, as a provider gets them, whose signal is then never created; or their
   *   signal. With any other signal, the request is sent once, since the time that is left isn't known.
   * @param send - Must be harmless to repeat: signing and reading are, creating a key isn't.
   * @returns What `send` returns.
   * @throws What `send` throws. A request that failed isn't repeated.
   */
  async repeat<T>(
    call: AbortSignal | { readonly signal: AbortSignal },
    send: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadline = deadlineOf(call);
    if (!deadline) return send("signal" in call ? call.signal : call);
    const { timeLeft } = deadline;
    let request = this.#send(deadline, send);
    if (timeLeft === Number.POSITIVE_INFINITY) return request.response;
    for (const share of SHARES) {
      const response = await answerWithin(timeLeft * share, request.response);
      if (response !== unanswered) return response;
      deadline.throwIfAborted(); // a client may ignore the signal
      if (!this.#hangs(request)) continue;
      request.controller.abort();
      request = this.#send(deadline, send);
    }
    return request.response;
  }

  #hangs({ startedAt, ahead, endedBefore }: SentRequest<unknown>): boolean {
    const ended = this.#ended - endedBefore;
    return performance.now() - startedAt >= PATIENCE && (ended === 0 || ended >= ahead + OVERTAKEN);
  }

  #send<T>(deadline: LazyDeadline, send: (signal: AbortSignal) => Promise<T>): SentRequest<T> {
    const controller = deadline.newPart();
    const sent = { controller, startedAt: performance.now(), ahead: this.#inFlight, endedBefore: this.#ended };
    this.#inFlight += 1;
    const end = () => {
      deadline.releasePart(controller);
      this.#inFlight -= 1;
      // A request that was given up says nothing about the store.
      if (!controller.signal.aborted) this.#ended += 1;
    };
    const response = send(controller.signal);
    // Its error is only of interest if the request isn't replaced.
    response.then(end, end);
    return { ...sent, response };
  }
}

function answerWithin<T>(timeout: number, response: Promise<T>): Promise<T | typeof unanswered> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, timeout, unanswered);
    response.then(resolve, reject);
    const stop = () => clearTimeout(timer);
    response.then(stop, stop);
  });
}
