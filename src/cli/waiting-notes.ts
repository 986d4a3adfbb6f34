/** Tells the user that a key store may wait for them. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { WaitingTrace } from "../index.js";
import type { Output } from "./output.js";

const CHANNEL = "hardproof.waiting";

/**
 * Writes a line each time a key store hasn't responded for two seconds.
 *
 * @returns A function that ends the notes.
 */
export function noteWaiting(output: Output): () => void {
  const note = (message: unknown) => {
    const { uri } = message as WaitingTrace;
    output.prompt(`Waiting for the key store. If it asks you to confirm, do so there: ${uri}`);
  };
  subscribe(CHANNEL, note);
  return () => unsubscribe(CHANNEL, note);
}
