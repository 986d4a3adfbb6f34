/**
 * Reaches the main thread from the application's worker threads, so that a provider can have one owner for each process.
 * If the main thread hasn't loaded the provider, it doesn't respond.
 */
import {
  isMainThread,
  MessageChannel,
  type MessagePort,
  postMessageToThread,
  receiveMessageOnPort,
} from "node:worker_threads";

const MAIN_THREAD = 0;

/** What a thread sends to the main thread. */
interface Greeting {
  /** The provider, and the version of its protocol: several copies of the package may run in one process. */
  readonly tag: string;
  readonly port: MessagePort;
  readonly request: unknown;
}

/**
 * Responds to threads, if this is the main thread.
 *
 * @param serve - Receives the port to the thread, and its request, which is of the type that {@link greetMainThread} sends.
 */
export function serveThreads<Request>(tag: string, serve: (port: MessagePort, request: Request) => void): void {
  if (!isMainThread) return;
  process.on("workerMessage", (message: unknown) => {
    if (!isGreeting(message, tag)) return;
    message.port.postMessage(tag);
    serve(message.port, message.request as Request);
  });
}

/**
 * Sends a request to the main thread.
 *
 * @returns A port to the main thread, which the caller closes, or `undefined` if it doesn't respond.
 */
export async function greetMainThread(tag: string, request?: unknown): Promise<MessagePort | undefined> {
  const { port1, port2 } = new MessageChannel();
  try {
    await postMessageToThread(MAIN_THREAD, { tag, port: port2, request } satisfies Greeting, [port2]);
    // If the main thread responds, it does so before postMessageToThread resolves.
    if (receiveMessageOnPort(port1)?.message === tag) return port1;
  } catch {
    // The main thread doesn't listen.
  }
  port1.close();
  return undefined;
}

function isGreeting(message: unknown, tag: string): message is Greeting {
  return typeof message === "object" && message !== null && "tag" in message && message.tag === tag;
}
