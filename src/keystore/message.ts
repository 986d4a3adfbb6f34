/** The message of one signature, which may be made as late as when the request is handed to the store. */
import { hash } from "node:crypto";
import type { Algorithm } from "../jose/algorithms.js";

/** Calls the caller's function at the first use, and only once. */
export class Message {
  /** What the caller's function threw. */
  error: unknown;
  readonly #data: Uint8Array | (() => Uint8Array);
  #bytes: Uint8Array | undefined;

  constructor(data: Uint8Array | (() => Uint8Array)) {
    this.#data = data;
    if (typeof data !== "function") this.#bytes = data;
  }

  /** The bytes to sign. */
  get bytes(): Uint8Array {
    this.#bytes ??= this.#call();
    return this.#bytes;
  }

  /** Returns what the algorithm signs: the digest of the bytes, or the bytes themselves. */
  inputOf({ hash: name }: Algorithm): Uint8Array {
    return name === undefined ? this.bytes : hash(name, this.bytes, "buffer");
  }

  #call(): Uint8Array {
    if (typeof this.#data !== "function") return this.#data;
    try {
      return this.#data();
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}
