/** Calls between two threads or processes over one channel, in both directions. Errors arrive as SignerErrors. */
import type { SignerError } from "../../src/errors.js";
import { fromFailure, toFailure } from "./failure.js";
import type { Failure } from "./protocol.js";

/** A connection to another thread or process. */
export interface Channel {
  post(message: unknown): void;
  listen(receive: (message: unknown) => void): void;
  /** Calls `end` when the other side has ended, with the error that rejects all calls to it. */
  onEnd?(end: (error: SignerError) => void): void;
}

type Handlers = Readonly<Record<string, (argument: never, id: number) => unknown>>;
type Message =
  | { readonly call: number; readonly name: string; readonly argument: unknown }
  | { readonly answer: number; readonly result?: unknown; readonly failure?: Failure };

interface PendingCall {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** One side of a channel: calls the other side's handlers, and runs its own for the other side. */
export class Calls {
  readonly #channel: Channel;
  readonly #handlers: Handlers;
  readonly #pending = new Map<number, PendingCall>();
  #ended: SignerError | undefined;
  #ids = 0;

  /** @param handlers - The functions that the other side can call, by name. */
  constructor(channel: Channel, handlers: Handlers) {
    this.#channel = channel;
    this.#handlers = handlers;
    channel.listen((message) => void this.#receive(message as Message));
    channel.onEnd?.((error) => this.end(error));
  }

  /** Calls a handler of the other side. `id` identifies the call to that handler. */
  call(name: string, argument?: unknown): { id: number; result: Promise<unknown> } {
    const id = ++this.#ids;
    const result = new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#pending.set(id, { resolve, reject });
      this.#channel.post({ call: id, name, argument } satisfies Message);
    });
    return { id, result };
  }

  /** Rejects the pending calls and all further ones, because the other side has ended. */
  end(error: SignerError): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  async #receive(message: Message): Promise<void> {
    if ("answer" in message) {
      const pending = this.#pending.get(message.answer);
      this.#pending.delete(message.answer);
      if (message.failure) pending?.reject(fromFailure(message.failure));
      else pending?.resolve(message.result);
      return;
    }
    this.#channel.post(await this.#run(message));
  }

  async #run({ call, name, argument }: Extract<Message, { call: number }>): Promise<Message> {
    try {
      const handler = this.#handlers[name] as ((argument: unknown, id: number) => unknown) | undefined;
      return { answer: call, result: await handler?.(argument, call) };
    } catch (error) {
      return { answer: call, failure: toFailure(error, name) };
    }
  }
}
