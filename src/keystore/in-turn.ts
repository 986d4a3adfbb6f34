/** Private keys that sign one at a time, for OpenSSL providers that aren't thread-safe. */
import type { NodeKey } from "./node-key.js";

/** Ends when the last call in the queue has. There is one queue for all keys: they may belong to the same provider. */
let last: Promise<unknown> = Promise.resolve();

/** Returns the key, which signs only when no other key of this function does. */
export function inTurn(key: NodeKey): NodeKey {
  return {
    ...key,
    maxInFlight: 1, // so that a message isn't made long before its turn
    derivePublicKey: () => takeTurn(async () => key.derivePublicKey()),
    sign: (message, publicKey, options) =>
      takeTurn(async () => {
        options.signal.throwIfAborted();
        return key.sign(message, publicKey, options);
      }),
  };
}

/**
 * Runs the work when no other work of this function runs in this thread.
 *
 * A turn ends in a later turn of the event loop than its work, because the signature is verified right after it, and the
 * provider may do that too.
 */
export function takeTurn<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.then(nextTurn, nextTurn);
  return result;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
