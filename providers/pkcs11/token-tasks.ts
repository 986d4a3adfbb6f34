/** The tasks on a token other than signing: creating, listing and deleting keys. */
import { randomBytes } from "node:crypto";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { checkTimeout, withClient } from "../../src/keystore/store-call.js";
import type { TokenUse } from "./library-use.js";
import { idBytes, type KeySelector } from "./objects.js";
import type { ListedKey } from "./protocol.js";
import type { TokenSelector } from "./token.js";
import { type KeyOnToken, useToken } from "./token-use.js";

/** The token and key of a task, and how long to wait for them. */
export interface TokenTask extends KeyOnToken {
  /** Returns the URI of a key, in the provider's scheme. */
  uriOf(token: TokenSelector, key: KeySelector, algorithm?: AlgorithmName): string;
  /** Milliseconds. Default: 30,000. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Length of a random `CKA_ID`. */
const ID_BYTES = 16;

/**
 * Creates a key pair for the algorithm of the task on the token: sensitive, never extractable, and only for signing.
 *
 * @returns The label and id of the new key.
 * @throws {SignerError} With code `ambiguous-key` if the token already has an object with that label or id.
 */
export function createKeyPair(task: TokenTask): Promise<KeySelector> {
  const { label } = task.key;
  const id = task.key.id === undefined ? randomBytes(ID_BYTES) : idBytes(task.key.id);
  return withToken(task, "creating a key pair", { label, id }, async (token, deadline) => {
    await token.run({ name: "generate" }, deadline);
    // The caller has aborted, so it would never learn of the key.
    if (deadline.signal.aborted) await token.run({ name: "delete" });
    return { label, id };
  });
}

/** Returns the URIs of the private keys that can sign, by label, id and algorithm. An RSA key has one for each algorithm. */
export function listKeyUris(task: TokenTask): Promise<string[]> {
  return withToken(task, "listing keys", task.key, async (token, deadline) => {
    const keys = (await token.run({ name: "list" }, deadline)) as ListedKey[];
    return keys.map((listed) => task.uriOf(listed.token, listed.key, listed.algorithm));
  });
}

/**
 * Deletes a private key and its public key. Certificates are not deleted.
 *
 * @throws {SignerError} With code `misconfigured` without an id, `key-not-found` or `ambiguous-key`. Nothing was deleted then.
 */
export async function removeKeyPair(task: TokenTask): Promise<void> {
  const uri = task.uriOf(task.token, task.key);
  if (task.key.id === undefined)
    throw new SignerError("misconfigured", `${uri}: A key can only be deleted by its id: add id=… to the URI.`, {
      uri,
    });
  await withToken(task, "deleting a key pair", task.key, (token, deadline) => token.run({ name: "delete" }, deadline));
}

/** @throws {SignerError} With code `timeout` or `aborted` if the task takes too long or is aborted. */
function withToken<T>(
  task: TokenTask,
  operation: string,
  key: KeySelector,
  work: (token: TokenUse, deadline: Deadline) => Promise<T>,
): Promise<T> {
  const { uriOf, timeout, signal, ...keyOnToken } = task;
  const uri = uriOf(task.token, task.key);
  return withClient(
    { uri, operation, timeout: checkTimeout(uri, timeout), signal },
    ({ signal }) => useToken({ ...keyOnToken, key }, signal),
    (token, deadline) => {
      deadline.signal.throwIfAborted();
      return work(token, deadline);
    },
  );
}
