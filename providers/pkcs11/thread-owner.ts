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
import type { Channel } from "./calls.js";
import { useHere } from "./isolated-use.js";
import type { TokenUse, TokenUseOptions } from "./library-use.js";
import { RemoteUse, serveUse } from "./remote-use.js";

const MAIN_THREAD = 0;
const TAG = "hardproof.pkcs11/1";

interface Greeting {
  readonly tag: typeof TAG;
  readonly port: MessagePort;
}

if (isMainThread)
  process.on("workerMessage", (message: unknown) => {
    if (!isGreeting(message)) return;
    const { port } = message;
    port.postMessage(TAG);
    port.once("close", serveUse(channelOn(port), useHere));
    port.unref();
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
): Promise<TokenUse | undefined> {
  const { port1: port, port2 } = new MessageChannel();
  const greeting: Greeting = { tag: TAG, port: port2 };
  const isDelivered = await postMessageToThread(MAIN_THREAD, greeting, [port2]).then(
    () => true,
    () => false,
  );
  // If the main thread responds, it does so before postMessageToThread resolves.
  if (!isDelivered || receiveMessageOnPort(port)?.message !== TAG) {
    port.close();
    return undefined;
  }
  try {
    const use = await RemoteUse.begin(channelOn(port), options, readPin);
    return new PortUse(use, port);
  } catch (error) {
    port.close();
    throw error;
  }
}

/** Keeps the thread alive only while a call is pending. */
class PortUse implements TokenUse {
  readonly #use: TokenUse;
  readonly #port: MessagePort;
  #pending = 0;

  constructor(use: TokenUse, port: MessagePort) {
    this.#use = use;
    this.#port = port;
    port.unref();
  }

  async run(...parameters: Parameters<TokenUse["run"]>): Promise<unknown> {
    this.#port.ref();
    this.#pending += 1;
    try {
      return await this.#use.run(...parameters);
    } finally {
      this.#pending -= 1;
      if (this.#pending === 0) this.#port.unref();
    }
  }

  async close(): Promise<void> {
    this.#port.ref();
    await this.#use.close();
    this.#port.close();
  }
}

function channelOn(port: MessagePort): Channel {
  return {
    post: (message) => port.postMessage(message),
    listen: (receive) => port.on("message", receive),
  };
}

function isGreeting(message: unknown): message is Greeting {
  return typeof message === "object" && message !== null && "tag" in message && message.tag === TAG;
}
