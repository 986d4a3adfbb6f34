/** The use of a library that is loaded in another thread or process. */
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { Calls, type Channel } from "./calls.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import { type Operation, type QueuedOperation, toOperation } from "./protocol.js";

/** Forwards operations to {@link serveUse} at the other end of a channel. */
export class RemoteUse implements TokenUse {
  readonly #calls: Calls;

  private constructor(calls: Calls) {
    this.#calls = calls;
  }

  /**
   * Begins the use in the other thread or process.
   *
   * @param readPin - Reads the PIN here, whenever the other side needs it.
   * @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded.
   */
  static async begin(channel: Channel, options: TokenUseOptions, readPin: () => Promise<string>): Promise<RemoteUse> {
    const calls = new Calls(channel, { readPin });
    await calls.call("begin", options).result;
    return new RemoteUse(calls);
  }

  run(operation: QueuedOperation, deadline?: Deadline): Promise<unknown> {
    const { id, result } = this.#calls.call("run", toOperation(operation));
    deadline?.signal.addEventListener("abort", () => this.#abandon(id), { once: true });
    return result;
  }

  /** Doesn't wait: if the other side has ended, there is nothing left to abandon. */
  #abandon(id: number): void {
    this.#calls.call("abandon", id).result.catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.#calls.call("close").result;
  }
}

/**
 * Runs the calls of a {@link RemoteUse}.
 *
 * @param beginUse - Begins the use here.
 * @returns A function that ends the use, to be called when the other side has ended.
 */
export function serveUse(
  channel: Channel,
  beginUse: (options: TokenUseOptions, readPin: () => Promise<string>) => Promise<TokenUse>,
): () => Promise<void> {
  const running = new Map<number, AbortController>();
  let use: Promise<TokenUse> | undefined;
  const end = async () => {
    const ending = use;
    use = undefined;
    await (await ending)?.close();
  };
  const calls = new Calls(channel, {
    begin: async (options: TokenUseOptions) => {
      use = beginUse(options, async () => String(await calls.call("readPin").result));
      await use;
    },
    run: async (operation: Operation, id: number) => {
      const controller = new AbortController();
      running.set(id, controller);
      return (await use)?.run(toQueued(operation), controller).finally(() => running.delete(id));
    },
    abandon: (id: number) => running.get(id)?.abort(abortedError()),
    close: end,
  });
  return async () => {
    calls.end(abortedError());
    for (const controller of running.values()) controller.abort(abortedError());
    await end().catch(() => undefined);
  };
}

function toQueued(operation: Operation): QueuedOperation {
  return operation.name === "sign" ? { name: "sign", digest: () => operation.digest } : operation;
}

function abortedError(): SignerError {
  return new SignerError("aborted", "The caller has aborted the request.");
}
