/** Loads keys, one at a time for each loader, in a thread of their own. */
import type { KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { importPublicKey, type PublicKeyMembers } from "../../src/jose/public-key.js";
import { takeTurn } from "../../src/keystore/in-turn.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import {
  cannotSign,
  errorWithoutAttempt,
  failedBefore,
  loggedInOtherwise,
  notLoaded,
  pinFailed,
  threadFailed,
} from "./errors.js";
import { loaderOf } from "./loaders.js";
import { hasFailed, type PinUse, rememberFailure, rememberSuccess } from "./pin-memory.js";
import { withPass } from "./uri.js";
import { type Failure, LOAD_KEY, runInWorker, TEST_KEY } from "./worker.js";

/** A key to load. It can be posted to another thread. */
export interface KeyToLoad extends PinUse {
  /** The scheme of the loader. */
  readonly scheme: string;
  readonly properties: string | undefined;
  readonly pin: string | undefined;
  /** Whether the provider is thread-safe. Otherwise, loading takes turns with the signatures of such keys. */
  readonly concurrent: boolean;
  readonly algorithm: AlgorithmName | undefined;
  /** The option `publicKey`. */
  readonly publicKey: Uint8Array | PublicKeyMembers | undefined;
}

/** A key that OpenSSL has loaded. */
export interface LoadedKey {
  readonly key: KeyObject;
  /** What OpenSSL has derived, or else the option `publicKey`. */
  readonly publicKey: Uint8Array | PublicKeyMembers;
}

/** By scheme: settles when the last load in the queue has ended. */
const queues = new Map<string, Promise<unknown>>();

/**
 * Loads a key. Only one is loaded at a time, so that a PIN isn't tried again while its first attempt is in progress, and a
 * loader that hangs occupies one thread.
 *
 * @param signal - If it aborts before the key's turn, OpenSSL isn't called.
 * @throws {SignerError} If the key can't be loaded.
 */
export function loadKey(key: KeyToLoad, signal?: AbortSignal): Promise<LoadedKey> {
  const load = async () => {
    signal?.throwIfAborted();
    return loadOnce(key);
  };
  return key.concurrent ? enqueue(key.scheme, load) : takeTurn(load);
}

function enqueue<T>(queue: string, work: () => Promise<T>): Promise<T> {
  const result = (queues.get(queue) ?? Promise.resolve()).then(work);
  queues.set(
    queue,
    result.catch(() => undefined),
  );
  return result;
}

async function loadOnce(request: KeyToLoad): Promise<LoadedKey> {
  if (hasFailed(request)) throw failedBefore(request);
  const { key, publicKey } = await load(request);
  await testKey(request, { key, publicKey });
  const isUnchecked = request.pin !== undefined && rememberSuccess(request);
  if (isUnchecked && loaderOf(request.scheme).checksPin === "loading") throw loggedInOtherwise();
  return { key, publicKey };
}

async function load(request: KeyToLoad): Promise<LoadedKey> {
  rejectLocalFile(request);
  const { storeUri, properties, pin } = request;
  const key = pin === undefined ? storeUri : withPass(request);
  const options = { ...(properties !== undefined && { properties }), ...(pin !== undefined && { passphrase: pin }) };
  const result = await runInWorker<{ key: KeyObject; spki: Uint8Array }>(LOAD_KEY, { ...options, key }).catch(
    toFailure,
  );
  if (!result.key) throw loadError(request, result);
  const publicKey = result.spki ?? request.publicKey;
  if (publicKey) return { key: result.key, publicKey };
  throw misconfigured("OpenSSL can't derive the public key from this private key. Set the option publicKey.");
}

/** Without a property query, OpenSSL prefers a file of this name in the current directory to the loader. */
function rejectLocalFile({ scheme, storeUri, properties }: KeyToLoad): void {
  if (properties !== undefined || scheme === "file" || !existsSync(storeUri)) return;
  throw misconfigured(
    "The current directory has a file with this URI as its name, which OpenSSL would load instead of the key. Remove it.",
  );
}

/** Keeps the cause: the thread may not have been started. */
function toFailure(cause: Error & { code?: string }): { key?: undefined; failure: Failure; cause: Error } {
  return { failure: { code: cause.code, message: cause.message }, cause };
}

function loadError(request: KeyToLoad, result: { failure?: Failure; cause?: Error }): Error {
  const { failure = { code: undefined, message: "OpenSSL returned nothing" }, cause } = result;
  const certain = errorWithoutAttempt(request, failure);
  if (certain) return certain;
  const usedPin = request.pin !== undefined && loaderOf(request.scheme).checksPin !== "signing";
  if (usedPin) return pinFailed(request, failure, rememberFailure(request));
  return cause ? threadFailed(cause) : notLoaded(request, failure);
}

/** Signs once, if only a signature shows whether the PIN is right, so that a wrong one isn't tried with each proof. */
async function testKey(request: KeyToLoad, { key, publicKey }: LoadedKey): Promise<void> {
  const { checksPin } = loaderOf(request.scheme);
  const isNeeded = checksPin === "signing" || (checksPin === "unknown" && request.pin !== undefined);
  if (!isNeeded) return;
  const { hash, options } = importPublicKey(publicKey, { algorithm: request.algorithm }).algorithm;
  const { failure } = await runInWorker(TEST_KEY, { key, hash, options }).catch(toFailure);
  if (!failure) return;
  rememberFailure(request);
  throw cannotSign(request, failure);
}
