/** The use of a library that is loaded in another thread or process. */
import { SignerError } from "../../src/errors.js";
import { Calls, type Channel } from "./calls.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import type { Operation } from "./protocol.js";

type ReadPin = () => Promise<string>;

/** An operation, as it is sent. `digest` is the number with which the other side asks for the digest. */
interface RemoteOperation {
  readonly name: Operation["name"];
  readonly digest: number;
  /** Milliseconds. The clocks of two processes differ. */
  readonly timeLeft: number | undefined;
}

/**
 * Forwards operations to {@link serveUse} at the other end of a channel.
 *
 * @param readPin - Reads the PIN here, whenever the other side needs it.
 * @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded.
 */
export async function useRemotely(channel: Channel, options: TokenUseOptions, readPin: ReadPin): Promise<TokenUse> {
  const digests = new Map<number, () => Uint8Array | Promise<Uint8Array>>();
  let count = 0;
  const calls = new Calls(channel, { readPin, digest: (id: number) => digests.get(id)?.() });
  await calls.call("begin", options);
  return {
    async run({ name, digest }, deadline) {
      deadline?.signal.throwIfAborted();
      const id = ++count;
      if (digest) digests.set(id, digest);
      const operation: RemoteOperation = { name, digest: id, timeLeft: deadline?.timeLeft };
      const { result, cancel } = calls.start("run", operation);
      deadline?.signal.addEventListener("abort", cancel, { once: true });
      return result.finally(() => digests.delete(id));
    },
    close: () => calls.call<void>("close"),
  };
}

/**
 * Runs the operations of {@link useRemotely}.
 *
 * @param beginUse - Begins the use here.
 * @returns A function that ends the use, to be called when the other side has ended.
 */
export function serveUse(
  channel: Channel,
  beginUse: (options: TokenUseOptions, readPin: ReadPin, signal: AbortSignal) => Promise<TokenUse>,
): () => Promise<void> {
  let use: Promise<TokenUse> | undefined;
  const close = async () => {
    const closing = use;
    use = undefined;
    await (await closing)?.close();
  };
  const calls: Calls = new Calls(channel, {
    begin: async (options: TokenUseOptions, { signal }) => {
      use = beginUse(options, () => calls.call<string>("readPin"), signal);
      await use;
    },
    run: async ({ name, digest, timeLeft }: RemoteOperation, deadline) => {
      deadline.expireIn(timeLeft);
      return (await use)?.run({ name, digest: () => calls.call<Uint8Array>("digest", digest) }, deadline);
    },
    close,
  });
  return async () => {
    calls.end(new SignerError("aborted", "The caller's thread or process has ended."));
    await close().catch(() => undefined);
  };
}
