/** Calls between two threads or processes over one channel, in both directions. Errors arrive as SignerErrors. */
import type { SignerError } from "../../src/errors.js";
import { fromFailure, toFailure } from "./failure.js";
import type { Failure } from "./protocol.js";

export interface Channel {
  post(message: unknown): void;
  listen(receive: (message: unknown) => void): void;
  /** Calls back when the other side has gone, with the error of all calls to it. */
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

export class Calls {
  readonly #channel: Channel;
  readonly #handlers: Handlers;
  readonly #pending = new Map<number, PendingCall>();
  #ended: SignerError | undefined;
  #ids = 0;

  /** @param handlers - Run the calls of the other side, by name. */
  constructor(channel: Channel, handlers: Handlers) {
    this.#channel = channel;
    this.#handlers = handlers;
    channel.listen((message) => void this.#receive(message as Message));
    channel.onEnd?.((error) => this.end(error));
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  call(name: string, argument?: unknown): { id: number; result: Promise<unknown> } {
    const id = ++this.#ids;
    const result = new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#pending.set(id, { resolve, reject });
      this.#channel.post({ call: id, name, argument } satisfies Message);
    });
    return { id, result };
  }

  /** The other side has gone: pending calls and further ones reject. */
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
