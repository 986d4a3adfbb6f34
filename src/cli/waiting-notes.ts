/** Tells the user what the command waits for: a server, a key store, or the user themselves. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { WaitingTrace } from "../index.js";
import type { Output } from "./output.js";

/** Milliseconds until a note, as for key stores. */
const PATIENCE = 1_000;

/** A request of Node's `fetch`, as undici publishes it. */
interface RequestMessage {
  readonly request: { readonly origin: string; readonly path: string };
}

/**
 * Writes a note each time a key store or a server hasn't responded for one second. It is a progress line, unless the store may
 * wait for the user.
 *
 * @returns A function that ends the notes.
 */
export function noteWaiting(output: Output): () => void {
  const timers = new Map<unknown, NodeJS.Timeout>();
  const begin = (message: unknown) => {
    const { request } = message as RequestMessage;
    const [path] = request.path.split("?"); // the query may contain secrets
    const note = () => output.progress(`Waiting for ${request.origin}${path}`);
    timers.set(request, setTimeout(note, PATIENCE).unref());
  };
  const end = (message: unknown) => {
    const { request } = message as RequestMessage;
    clearTimeout(timers.get(request));
    if (timers.delete(request)) output.clearProgress();
  };
  const channels = {
    "hardproof.waiting": (message: unknown) => noteStore(message as WaitingTrace, output),
    "undici:request:create": begin,
    "undici:request:trailers": end,
    "undici:request:error": end,
  };
  for (const [name, listener] of Object.entries(channels)) subscribe(name, listener);
  return () => {
    for (const [name, listener] of Object.entries(channels)) unsubscribe(name, listener);
    for (const timer of timers.values()) clearTimeout(timer);
  };
}

function noteStore({ uri, mayAskUser }: WaitingTrace, output: Output): void {
  if (mayAskUser) output.prompt(`Waiting for the key store. If it asks you to confirm, do so there: ${uri}`);
  else output.progress(`Waiting for the key store ${uri}`);
}
