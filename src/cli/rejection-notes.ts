/** Says why a server rejected a proof: its response may be empty, and is printed as it is. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { RejectionTrace } from "../index.js";
import { withOptionNames } from "./option-names.js";
import type { Output } from "./output.js";

const CHANNEL = "hardproof.rejection";

/** Runs a request. If its response rejects the proof, and something may help, a note says what. */
export async function withRejectionNotes<T>(output: Output, request: () => Promise<T>): Promise<T> {
  const note = (message: unknown) => {
    const { statusCode, error, hint } = message as RejectionTrace;
    if (hint !== undefined) output.note(`status ${statusCode}, ${error}: ${withOptionNames(hint)}`);
  };
  subscribe(CHANNEL, note);
  try {
    return await request();
  } finally {
    unsubscribe(CHANNEL, note);
  }
}
