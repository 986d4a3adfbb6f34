/** The tasks on a token other than signing: creating, listing and deleting keys, and listing tokens. */
import { randomBytes } from "node:crypto";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { DeletedKey, StoreToken } from "../../src/keystore/provider.js";
import type { KeyFacts } from "../../src/keystore/signer.js";
import { checkTimeout, type StoreCall, withClient } from "../../src/keystore/store-call.js";
import { streamWithClient } from "../../src/keystore/store-stream.js";
import type { TokenUse } from "./library-use.js";
import { idBytes, type KeySelector } from "./objects.js";
import type { DeletedPair, ListedKey } from "./protocol.js";
import { storeToken } from "./store-token.js";
import type { TokenSelector } from "./token.js";
import type { InspectedToken } from "./token-inspection.js";
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

/**
 * Yields the URIs of the private keys that can sign, by label, id and algorithm. An RSA key has one for each algorithm. The list
 * has a session until it ends.
 */
export function listKeyUris(task: TokenTask): AsyncGenerator<string> {
  // With one session, all requests run in the worker that has begun the list.
  const { call, connect } = connectionTo({ ...task, sessions: 1 }, "listing keys", task.key);
  return streamWithClient(call, connect, async function* (token, part) {
    for (let name: "list" | "list-more" = "list"; ; name = "list-more") {
      part.signal.throwIfAborted();
      const keys = (await token.run({ name }, part)) as ListedKey[] | undefined;
      if (!keys) return;
      // Libraries return objects in any order, a different one each time.
      yield keys.map((listed) => task.uriOf(listed.token, listed.key, listed.algorithm)).sort();
    }
  });
}

/**
 * Deletes a private key and its public key. Certificates are not deleted.
 *
 * @throws {SignerError} With code `misconfigured` without an id, `key-not-found`, `ambiguous-key`, or `wrong-key` if the key can't
 *   sign. Nothing was deleted then.
 */
export async function removeKeyPair(task: TokenTask): Promise<void> {
  const uri = task.uriOf(task.token, task.key);
  if (task.key.id === undefined)
    throw new SignerError("misconfigured", `${uri}: A key can only be deleted by its id: add id=… to the URI.`, {
      uri,
    });
  await withToken(task, "deleting a key pair", task.key, (token, deadline) => token.run({ name: "delete" }, deadline));
}

/**
 * Deletes the one private key that the task's label and id select, and its public key. Certificates are not deleted.
 *
 * @throws {SignerError} With code `key-not-found`, `ambiguous-key`, or `wrong-key` if the key can't sign. Nothing was deleted then.
 */
export function deleteKeyPair(task: TokenTask): Promise<DeletedKey> {
  return withToken(task, "deleting a key pair", task.key, async (token, deadline) => {
    const { token: selector, key, publicKeyLeft } = (await token.run({ name: "delete" }, deadline)) as DeletedPair;
    const note = publicKeyLeft && `The token didn't delete the public key object (${publicKeyLeft}).`;
    return { uri: task.uriOf(selector, key), destroyedAt: null, note };
  });
}

/** Returns what the token reports about the keys that it will create. They are created as sensitive and never extractable. */
export function factsOfNewKey(task: TokenTask): Promise<KeyFacts> {
  return withToken(task, "reading the token", task.key, async (token, deadline) => {
    const { protection, software } = (await token.run({ name: "inspect" }, deadline)) as InspectedToken;
    return { protection, exportable: false, evidence: software === undefined ? {} : { software } };
  });
}

/** Returns the tokens that the task's token selector matches, or all of the library. Doesn't log in. */
export function listTokens(task: TokenTask): Promise<StoreToken[]> {
  return withToken({ ...task, pin: undefined }, "reading the tokens", task.key, async (token, deadline) => {
    const tokens = (await token.run({ name: "tokens" }, deadline)) as InspectedToken[];
    return tokens.map((each) => storeToken(each, (selector) => task.uriOf(selector, {})));
  });
}

/** @throws {SignerError} With code `timeout` or `aborted` if the task takes too long or is aborted. */
function withToken<T>(
  task: TokenTask,
  operation: string,
  key: KeySelector,
  work: (token: TokenUse, deadline: Deadline) => Promise<T>,
): Promise<T> {
  const { call, connect } = connectionTo(task, operation, key);
  return withClient(call, connect, (token, deadline) => {
    deadline.signal.throwIfAborted();
    return work(token, deadline);
  });
}

function connectionTo(task: TokenTask, operation: string, key: KeySelector) {
  const { uriOf, timeout, signal, ...keyOnToken } = task;
  const uri = uriOf(task.token, task.key);
  const call: StoreCall = { uri, operation, timeout: checkTimeout(uri, timeout), signal };
  return { call, connect: ({ signal }: Deadline) => useToken({ ...keyOnToken, key }, signal) };
}
