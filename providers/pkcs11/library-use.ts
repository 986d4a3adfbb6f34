/** The use of a library for one key, or for one task on a token. */
import { SignerError } from "../../src/errors.js";
import type { OpenKeyOptions } from "../../src/keystore/key-source.js";
import { Library } from "./library.js";
import { LibraryKey } from "./library-key.js";
import type { LibraryOptions } from "./library-options.js";
import type { KeySelector } from "./objects.js";
import type { KeySpec, Operation } from "./protocol.js";

/** The options of a use. They can be sent to another thread or process, so the PIN isn't one of them. */
export interface TokenUseOptions extends LibraryOptions, Omit<KeySpec, "selector" | "expected"> {
  readonly module: string;
  readonly key: KeySelector;
  readonly sessions: number | undefined;
  readonly maxWaiting: number;
  /** The library runs in a separate process. */
  readonly isolate: boolean | undefined;
  /** The public key that the key must have. `undefined` before the key was first opened. */
  readonly expected?: KeySpec["expected"];
}

/** Runs operations with a key or a token. */
export interface TokenUse {
  /** @throws {SignerError} If the operation fails. A deadline ends only the wait in the queue. */
  run(operation: Operation, deadline?: OpenKeyOptions): Promise<unknown>;
  close(): Promise<void>;
}

const DEFAULT_SESSIONS = 4;

/**
 * Uses a library in this thread's workers.
 *
 * @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded.
 */
export async function useLibrary(options: TokenUseOptions, readPin: () => Promise<string>): Promise<TokenUse> {
  const { token, key: selector, publicKey, algorithm, hasPin, forceLogin, expected, maxWaiting } = options;
  const library = await Library.acquire(options.module, options);
  const spec = { token, selector, publicKey, algorithm, hasPin, forceLogin, expected };
  const key = new LibraryKey(spec, hasPin ? readPin : undefined, options.sessions ?? DEFAULT_SESSIONS);
  let pending = 0;
  return {
    async run(operation, deadline) {
      if (pending > maxWaiting)
        throw new SignerError("throttled", `${pending - 1} signatures are already waiting for a session.`);
      pending += 1;
      try {
        return await library.run({ key, operation, deadline });
      } finally {
        pending -= 1;
      }
    },
    async close() {
      await library.closeKey(key);
      await library.release();
    },
  };
}
