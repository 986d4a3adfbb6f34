/** A worker's connection to its parent thread. The worker doesn't use its event loop: it sleeps until a message arrives. */
import { availableParallelism } from "node:os";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { fromFailure } from "./failure.js";
import { type FromWorker, type Question, type Reply, type Request, SHARED, STATE, type ToWorker } from "./protocol.js";

/** Milliseconds to poll for a message before sleeping. On a single core, polling would block the parent's event loop. */
const SPIN = availableParallelism() > 1 ? 0.1 : 0;

/** Receives requests and replies, and sends responses and questions. */
export class WorkerPort {
  readonly #port: MessagePort;
  readonly #shared: Int32Array;
  readonly #inbox: Request[] = [];

  constructor(port: MessagePort, shared: Int32Array) {
    this.#port = port;
    this.#shared = shared;
  }

  /** Waits for the next requests. @returns `undefined` if the worker must end. */
  nextBatch(): readonly Request[] | undefined {
    if (this.#inbox.length > 0) return this.#inbox.splice(0);
    const message = this.#receive();
    return "requests" in message ? message.requests : undefined;
  }

  /** Sends a message to the parent thread. */
  send(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  /**
   * Asks the parent thread and waits for its reply.
   *
   * @param runAtOnce - Runs a request that can't wait for the reply. Returns `false` for any other request.
   * @throws {SignerError} If the reply is a failure.
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

  /** Claims a request, in order to run it. Returns `false` if the parent thread has withdrawn it. */
  claim({ slot }: Request): boolean {
    if (slot === undefined) return true;
    return Atomics.compareExchange(this.#shared, SHARED.STATES + slot, STATE.WAITING, STATE.RUNNING) === STATE.WAITING;
  }

  /** Marks a request as done. */
  finish({ slot }: Request): void {
    if (slot !== undefined) Atomics.store(this.#shared, SHARED.STATES + slot, STATE.DONE);
    Atomics.add(this.#shared, SHARED.DONE, 1);
  }

  /** Polls for a short time. A caller that signs one message after the other sends the next one sooner than a wake-up. */
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
