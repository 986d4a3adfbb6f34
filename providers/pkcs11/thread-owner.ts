/**
 * Lets the application's worker threads use the libraries of the main thread, so that a process initialises and finalises
 * a library once, whichever thread starts first or ends last. If the main thread hasn't loaded this file, it doesn't
 * respond, and each thread uses the library on its own.
 */
import type { MessagePort } from "node:worker_threads";
import { untilAborted } from "../../src/deadline.js";
import { greetMainThread, serveThreads } from "../../src/keystore/main-thread.js";
import type { Channel } from "./calls.js";
import { useHere } from "./isolated-use.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import { serveUse, useRemotely } from "./remote-use.js";

const TAG = "hardproof.pkcs11/4";

serveThreads(TAG, (port) => {
  port.once("close", serveUse({ ...channelOn(port), keepAlive: () => port.unref() }, useHere));
});

/**
 * Uses a library in the main thread.
 *
 * @returns `undefined` if the main thread doesn't respond.
 * @throws {SignerError} With code `misconfigured` or `unavailable` if the library can't be loaded.
 */
export async function useInMainThread(
  options: TokenUseOptions,
  readPin: () => Promise<string>,
  signal?: AbortSignal,
): Promise<TokenUse | undefined> {
  const port = await greetMainThread(TAG);
  if (!port) return undefined;
  const close = () => port.close();
  const begin = () => useRemotely(channelOn(port), options, readPin);
  const use = await untilAborted(signal, begin).catch((error) => {
    close();
    throw error;
  });
  return { ...use, close: () => use.close().finally(close) };
}

function channelOn(port: MessagePort): Channel {
  return {
    post: (message) => port.postMessage(message),
    listen: (receive) => port.on("message", receive),
    keepAlive: (isWaiting) => (isWaiting ? port.ref() : port.unref()),
  };
}
