/** Calls between two threads or processes over one channel, in both directions. Errors arrive as SignerErrors. */
import { LazyDeadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { type Failure, fromFailure, toFailure } from "./failure.js";

/** A connection to another thread or process. */
export interface Channel {
  post(message: unknown): void;
  /** Posts the answer to a call. It may be delayed, in order to post several together. Default: `post`. */
  answer?(message: unknown): void;
  listen(receive: (message: unknown) => void): void;
  /** Calls `end` when the other side has ended, with the error that rejects all calls to it. */
  onEnd?(end: (error: SignerError) => void): void;
  /** Keeps this side alive while it waits for a response. */
  keepAlive?(isWaiting: boolean): void;
}

/** The functions that the other side can call, by name. `deadline` aborts when the other side cancels the call. */
export type Handlers = Readonly<Record<string, (argument: never, deadline: LazyDeadline) => unknown>>;
type Message =
  | { readonly call: number; readonly name: string; readonly argument: unknown }
  | { readonly cancel: number }
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
  readonly #running = new Map<number, LazyDeadline>();
  #ended: SignerError | undefined;
  #ids = 0;

  constructor(channel: Channel, handlers: Handlers) {
    this.#channel = channel;
    this.#handlers = handlers;
    channel.listen((message) => this.#receive(message as Message));
    channel.onEnd?.((error) => this.end(error));
    channel.keepAlive?.(false);
  }

  /** Calls a handler of the other side. */
  call<T = unknown>(name: string, argument?: unknown): Promise<T> {
    return this.start<T>(name, argument).result;
  }

  /** Calls a handler of the other side. `cancel` tells it that the result isn't needed. */
  start<T = unknown>(name: string, argument?: unknown): { result: Promise<T>; cancel(): void } {
    const id = ++this.#ids;
    const result = new Promise<unknown>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      if (this.#pending.size === 0) this.#channel.keepAlive?.(true);
      this.#pending.set(id, { resolve, reject });
      this.#channel.post({ call: id, name, argument } satisfies Message);
    }) as Promise<T>;
    const cancel = () => {
      if (this.#pending.has(id)) this.#channel.post({ cancel: id } satisfies Message);
    };
    return { result, cancel };
  }

  /** Rejects the pending calls and all further ones, and cancels those of the other side, because it has ended. */
  end(error: SignerError): void {
    this.#ended ??= error;
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    for (const deadline of this.#running.values()) deadline.abort(error);
  }

  #receive(message: Message): void {
    if ("call" in message) void this.#run(message);
    else if ("cancel" in message)
      this.#running.get(message.cancel)?.abort(new SignerError("aborted", "The caller has aborted."));
    else this.#settle(message);
  }

  #settle({ answer, result, failure }: Extract<Message, { answer: number }>): void {
    const call = this.#pending.get(answer);
    this.#pending.delete(answer);
    if (this.#pending.size === 0) this.#channel.keepAlive?.(false);
    if (failure) call?.reject(fromFailure(failure));
    else call?.resolve(result);
  }

  async #run({ call, name, argument }: Extract<Message, { call: number }>): Promise<void> {
    const deadline = new LazyDeadline();
    this.#running.set(call, deadline);
    let answer: Message;
    try {
      answer = { answer: call, result: await this.#handlers[name]?.(argument as never, deadline) };
    } catch (error) {
      answer = { answer: call, failure: toFailure(error, name) };
    }
    this.#running.delete(call);
    if (this.#ended) return;
    if (this.#channel.answer) this.#channel.answer(answer);
    else this.#channel.post(answer);
  }
}
