/**
 * Loads the keys of the application's worker threads in the main thread, so that all of them share its memory of wrong PINs.
 * If the main thread hasn't loaded this file, it doesn't respond, and each thread loads keys on its own.
 */
import { isMainThread, type MessagePort } from "node:worker_threads";
import { untilAborted } from "../../src/deadline.js";
import { SignerError, type SignerErrorCode } from "../../src/errors.js";
import { greetMainThread, serveThreads } from "../../src/keystore/main-thread.js";
import { type KeyToLoad, type LoadedKey, loadKey } from "./load-key.js";

const TAG = "hardproof.openssl/2";

type Response = { readonly loaded: LoadedKey } | { readonly code: SignerErrorCode; readonly message: string };

serveThreads<KeyToLoad>(TAG, (port, key) => void serve(port, key));

/**
 * Loads a key, in the main thread if that is possible.
 *
 * @throws {SignerError} As {@link loadKey} does.
 */
export async function loadKeyInProcess(key: KeyToLoad, signal: AbortSignal): Promise<LoadedKey> {
  if (isMainThread) return loadKey(key, signal);
  const port = await greetMainThread(TAG, key);
  if (!port) return loadKey(key, signal);
  try {
    return await responseOn(port, signal);
  } finally {
    port.close();
  }
}

async function responseOn(port: MessagePort, signal: AbortSignal): Promise<LoadedKey> {
  const received = () => new Promise<Response>((resolve) => port.once("message", resolve));
  const response = await untilAborted(signal, received);
  if ("loaded" in response) return response.loaded;
  throw new SignerError(response.code, response.message);
}

/** A thread that has given up closes its port. */
async function serve(port: MessagePort, key: KeyToLoad): Promise<void> {
  const abort = new AbortController();
  port.once("close", () => abort.abort());
  port.postMessage(await responseOf(key, abort.signal));
}

async function responseOf(key: KeyToLoad, signal: AbortSignal): Promise<Response> {
  try {
    return { loaded: await loadKey(key, signal) };
  } catch (error) {
    const { code, message } = error instanceof SignerError ? error : new SignerError("unexpected", "Loading failed.");
    return { code, message };
  }
}
