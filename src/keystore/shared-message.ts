/** The message of one signature that several replicas may receive. */
import { Message } from "./message.js";
import { misconfigured } from "./signer-error.js";

type Data = Uint8Array | (() => Uint8Array);

/**
 * Calls the caller's function once for each attempt, so that the message of a later attempt isn't as old as the failed one.
 * Attempts at the same time have the same message, since the caller can't know which of them succeeds.
 */
export class SharedMessage {
  readonly #data: Data;
  #message: Message | undefined;
  #inFlight = 0;

  constructor(data: Data) {
    this.#data = data;
  }

  /** Runs an attempt, which receives the data that it passes to its signer. */
  async use<T>(attempt: (data: Data) => Promise<T>): Promise<T> {
    if (typeof this.#data !== "function") return attempt(this.#data);
    this.#message ??= new Message(this.#data);
    const message = this.#message;
    let hasEnded = false;
    this.#inFlight += 1;
    try {
      return await attempt(() => {
        // The function of the caller would return the message of another attempt.
        if (hasEnded) throw misconfigured("The signer requested the message after its call had ended.");
        return message.bytes;
      });
    } finally {
      hasEnded = true;
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#message = undefined;
    }
  }
}
