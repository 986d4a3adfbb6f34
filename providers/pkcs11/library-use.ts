/** The use of a library for one key, or for one task on a token. */
import type { Deadline } from "../../src/deadline.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import { Library } from "./library.js";
import type { LibraryKey } from "./library-key.js";
import type { LibraryOptions } from "./library-options.js";
import type { KeySelector } from "./objects.js";
import type { QueuedOperation } from "./protocol.js";
import type { TokenSelector } from "./token.js";

/** The options of a use. They can be sent to another thread or process, so the PIN isn't one of them. */
export interface TokenUseOptions extends LibraryOptions {
  readonly module: string;
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly publicJwk: PublicJwk | undefined;
  readonly hasPin: boolean;
  readonly forceLogin: boolean | undefined;
  readonly sessions: number | undefined;
  readonly maxWaiting: number;
  /** The library runs in a separate process. */
  readonly isolate: boolean | undefined;
  /** The public key that the key must have. `undefined` before the key was first opened. */
  readonly expected?: PublicJwk | undefined;
}

/** Runs operations with a key or a token. */
export interface TokenUse {
  /** @throws {SignerError} If the operation fails. A deadline ends only the wait in the queue. */
  run(operation: QueuedOperation, deadline?: Deadline): Promise<unknown>;
  close(): Promise<void>;
}

const DEFAULT_SESSIONS = 4;

/**
 * Uses a library in this thread's workers.
 *
 * @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded.
 */
export async function useLibrary(options: TokenUseOptions, readPin: () => Promise<string>): Promise<TokenUse> {
  const { token, key: selector, publicJwk, hasPin, forceLogin, expected } = options;
  const { sessions = DEFAULT_SESSIONS, maxWaiting } = options;
  const library = await Library.acquire(options.module, options);
  const spec = { token, selector, publicJwk, hasPin, forceLogin, expected };
  return new LibraryUse(
    library,
    library.openKey({ spec, readPin: hasPin ? readPin : undefined, sessions, maxWaiting }),
  );
}

class LibraryUse implements TokenUse {
  readonly #library: Library;
  readonly #key: LibraryKey;

  constructor(library: Library, key: LibraryKey) {
    this.#library = library;
    this.#key = key;
  }

  run(operation: QueuedOperation, deadline?: Deadline): Promise<unknown> {
    return this.#library.run(this.#key, operation, deadline);
  }

  async close(): Promise<void> {
    await this.#library.closeKey(this.#key);
    await this.#library.release();
  }
}
