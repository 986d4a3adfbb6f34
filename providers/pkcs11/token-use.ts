/** Chooses where a library is loaded: in workers of this thread, of the main thread, or of a separate process. */
import { isMainThread } from "node:worker_threads";
import { readPin } from "../../src/keystore/pin-source.js";
import { withSecretSource } from "../../src/keystore/secret-source.js";
import { useHere } from "./isolated-use.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import { idBytes } from "./objects.js";
import type { PinSource } from "./pin.js";
import { useInMainThread } from "./thread-owner.js";

/** A key on a token, and everything that is needed to use it. */
export interface KeyOnToken extends Omit<TokenUseOptions, "hasPin"> {
  readonly pin: PinSource | undefined;
}

/**
 * Loads the library, unless it is in use already. Doesn't open the key.
 *
 * @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded.
 */
export async function useToken({ pin, ...keyOnToken }: KeyOnToken, signal?: AbortSignal): Promise<TokenUse> {
  const { label, id } = keyOnToken.key;
  const key = { label, id: id && new Uint8Array(idBytes(id)) };
  const options = { ...keyOnToken, key, hasPin: pin !== undefined };
  const read = () => readPin(pin ?? "");
  const remote = isMainThread ? undefined : await useInMainThread(options, read, signal);
  const use = remote ?? (await useHere(options, read, signal));
  return pin === undefined ? use : withPinSource(use, pin);
}

/** The workers don't know where a wrong PIN comes from, since they only get the PIN. */
function withPinSource(use: TokenUse, pin: PinSource): TokenUse {
  const run: TokenUse["run"] = async (operation, deadline) => {
    try {
      return await use.run(operation, deadline);
    } catch (error) {
      throw withSecretSource(error, "PIN", pin);
    }
  };
  return { run, close: () => use.close() };
}
