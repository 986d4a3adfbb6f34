/**
 * Lets the application's worker threads use the libraries of the main thread, so that a process initialises and finalises
 * a library once, whichever thread starts first or ends last. If the main thread hasn't loaded this file, it doesn't
 * respond, and each thread uses the library on its own.
 */
import {
  isMainThread,
  MessageChannel,
  type MessagePort,
  postMessageToThread,
  receiveMessageOnPort,
} from "node:worker_threads";
import { untilAborted } from "../../src/deadline.js";
import type { Channel } from "./calls.js";
import { useHere } from "./isolated-use.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import { serveUse, useRemotely } from "./remote-use.js";

const MAIN_THREAD = 0;
const TAG = "hardproof.pkcs11/2";

interface Greeting {
  readonly tag: typeof TAG;
  readonly port: MessagePort;
}

if (isMainThread)
  process.on("workerMessage", (message: unknown) => {
    if (!isGreeting(message)) return;
    const { port } = message;
    port.postMessage(TAG);
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
  const { port1: port, port2 } = new MessageChannel();
  try {
    await postMessageToThread(MAIN_THREAD, { tag: TAG, port: port2 } satisfies Greeting, [port2]);
    // If the main thread responds, it does so before postMessageToThread resolves.
    if (receiveMessageOnPort(port)?.message !== TAG) throw new Error("The main thread hasn't loaded this file.");
  } catch {
    port.close();
    return undefined;
  }
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

function isGreeting(message: unknown): message is Greeting {
  return typeof message === "object" && message !== null && "tag" in message && message.tag === TAG;
}
