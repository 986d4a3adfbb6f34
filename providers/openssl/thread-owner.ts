/**
 * Loads the keys of the application's worker threads in the main thread, so that all of them share its memory of wrong PINs.
 * If the main thread hasn't loaded this file, it doesn't respond, and each thread loads keys on its own.
 */
import {
  isMainThread,
  MessageChannel,
  type MessagePort,
  postMessageToThread,
  receiveMessageOnPort,
} from "node:worker_threads";
import { untilAborted } from "../../src/deadline.js";
import { SignerError, type SignerErrorCode } from "../../src/errors.js";
import { type KeyToLoad, type LoadedKey, loadKey } from "./load-key.js";

const MAIN_THREAD = 0;
const TAG = "hardproof.openssl/1";

interface Request {
  readonly tag: typeof TAG;
  readonly key: KeyToLoad;
  readonly port: MessagePort;
}

type Response = { readonly loaded: LoadedKey } | { readonly code: SignerErrorCode; readonly message: string };

if (isMainThread)
  process.on("workerMessage", (message: unknown) => {
    if (!isRequest(message)) return;
    message.port.postMessage(TAG);
    void serve(message);
  });

/**
 * Loads a key, in the main thread if that is possible.
 *
 * @throws {SignerError} As {@link loadKey} does.
 */
export async function loadKeyInProcess(key: KeyToLoad, signal: AbortSignal): Promise<LoadedKey> {
  if (isMainThread) return loadKey(key, signal);
  const { port1: port, port2 } = new MessageChannel();
  try {
    if (!(await isReceived(key, port, port2))) return await loadKey(key, signal);
    return await responseOn(port, signal);
  } finally {
    port.close();
  }
}

/** If the main thread responds, it does so before `postMessageToThread` resolves. */
async function isReceived(key: KeyToLoad, port: MessagePort, port2: MessagePort): Promise<boolean> {
  try {
    await postMessageToThread(MAIN_THREAD, { tag: TAG, key, port: port2 } satisfies Request, [port2]);
    return receiveMessageOnPort(port)?.message === TAG;
  } catch {
    return false;
  }
}

async function responseOn(port: MessagePort, signal: AbortSignal): Promise<LoadedKey> {
  const received = () => new Promise<Response>((resolve) => port.once("message", resolve));
  const response = await untilAborted(signal, received);
  if ("loaded" in response) return response.loaded;
  throw new SignerError(response.code, response.message);
}

/** A thread that has given up closes its port. */
async function serve({ key, port }: Request): Promise<void> {
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

function isRequest(message: unknown): message is Request {
  return typeof message === "object" && message !== null && "tag" in message && message.tag === TAG;
}
