/** A worker's end of its connection to the main side. The worker has no event loop: it sleeps until a message comes. */
import { availableParallelism } from "node:os";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { fromFailure } from "./failure.js";
import { type FromWorker, type Question, type Reply, type Request, SHARED, STATE, type ToWorker } from "./protocol.js";

/** Milliseconds. On a single core it would keep the event loop from running. */
const SPIN = availableParallelism() > 1 ? 0.1 : 0;

export class WorkerPort {
  readonly #port: MessagePort;
  readonly #shared: Int32Array;
  readonly #inbox: Request[] = [];

  constructor(port: MessagePort, shared: Int32Array) {
    this.#port = port;
    this.#shared = shared;
  }

  /** Waits for the next requests. @returns `undefined` when there won't be any more. */
  nextBatch(): readonly Request[] | undefined {
    if (this.#inbox.length > 0) return this.#inbox.splice(0);
    const message = this.#receive();
    return "requests" in message ? message.requests : undefined;
  }

  send(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  /**
   * Asks the main side and waits for the reply.
   *
   * @param runAtOnce - Runs a request that can't wait for the reply; returns `false` if it can.
   * @throws {SignerError} If the main side refuses.
   */
  ask(question: Question, runAtOnce: (request: Request) => boolean): Reply {
    this.send({ question });
    for (;;) {
      const message = this.#receive();
      if ("requests" in message) {
        this.#inbox.push(...message.requests.filter((request) => !runAtOnce(request)));
      } else if ("reply" in message) {
        if (message.reply.failure) throw fromFailure(message.reply.failure);
        return message.reply;
      }
    }
  }

  /** Returns `false` if the main side has taken the request back. */
  claim({ slot }: Request): boolean {
    if (slot === undefined) return true;
    return Atomics.compareExchange(this.#shared, SHARED.STATES + slot, STATE.WAITING, STATE.RUNNING) === STATE.WAITING;
  }

  finish({ slot }: Request): void {
    if (slot !== undefined) Atomics.store(this.#shared, SHARED.STATES + slot, STATE.DONE);
    Atomics.add(this.#shared, SHARED.DONE, 1);
  }

  /** A caller that signs one message after the other sends the next one before this thread could be woken up. */
  #spin(messages: number): void {
    const until = performance.now() + SPIN;
    while (Atomics.load(this.#shared, SHARED.MESSAGES) === messages && performance.now() < until);
  }

  #receive(): ToWorker {
    for (;;) {
      const messages = Atomics.load(this.#shared, SHARED.MESSAGES);
      const received = receiveMessageOnPort(this.#port);
      if (received) return received.message;
      this.#spin(messages);
      Atomics.wait(this.#shared, SHARED.MESSAGES, messages);
    }
  }
}
