/** The data argument of WebCrypto: an ArrayBuffer, or a view of one, of any realm. */
import { types } from "node:util";

/**
 * Copies the bytes, because a caller may change them while the signer waits for its store.
 *
 * @returns `undefined` if the value isn't a BufferSource (Web IDL §2.13.30): shared memory isn't one.
 */
export function copyBytes(value: unknown): Uint8Array | undefined {
  if (types.isArrayBuffer(value)) return bytesOf(value, 0, value.byteLength);
  if (!ArrayBuffer.isView(value) || !types.isArrayBuffer(value.buffer)) return undefined;
  return bytesOf(value.buffer, value.byteOffset, value.byteLength);
}

/** A detached buffer has the length 0, but no view of it can be created. */
function bytesOf(buffer: ArrayBuffer, offset: number, length: number): Uint8Array {
  return length === 0 ? new Uint8Array() : new Uint8Array(buffer, offset, length).slice();
}
