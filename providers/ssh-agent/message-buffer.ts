/** Collects a message of an agent as its bytes arrive: four bytes of length, and then as many bytes (RFC 9987 §3). */
import { SignerError } from "../../src/errors.js";

/** Bytes of the longest message, as in OpenSSH. Agents don't accept a longer request either. */
export const MAX_MESSAGE = 256 * 1024;
const HEADER = 4;

/** One message. No more memory is used than its length says, and that is at most {@link MAX_MESSAGE}. */
export class MessageBuffer {
  readonly #header = Buffer.alloc(HEADER);
  #headerBytes = 0;
  #message: Buffer | undefined;
  #messageBytes = 0;

  /**
   * Adds bytes.
   *
   * @returns The message without its length, if it is complete.
   * @throws {SignerError} With code `integrity` if it is empty or too long, or if more bytes follow.
   */
  add(chunk: Buffer): Buffer | undefined {
    const body = this.#message ? chunk : this.#addHeader(chunk);
    if (this.#message === undefined) return undefined;
    if (body.length > this.#message.length - this.#messageBytes)
      throw new SignerError("integrity", "The agent sent more bytes than the length of its response says.");
    this.#messageBytes += body.copy(this.#message, this.#messageBytes);
    return this.#messageBytes === this.#message.length ? this.#message : undefined;
  }

  /** Returns the bytes that follow the header. */
  #addHeader(chunk: Buffer): Buffer {
    const copied = chunk.copy(this.#header, this.#headerBytes);
    this.#headerBytes += copied;
    if (this.#headerBytes === HEADER) this.#message = Buffer.alloc(checkLength(this.#header.readUInt32BE()));
    return chunk.subarray(copied);
  }
}

function checkLength(length: number): number {
  if (length > 0 && length <= MAX_MESSAGE) return length;
  const allowed = `A response has 1 to ${MAX_MESSAGE} bytes`;
  throw new SignerError("integrity", `${allowed}, but the agent announced one of ${length} bytes.`);
}
