/** Values in the messages of SSH (RFC 4251 §5). */
import { SignerError } from "../../src/errors.js";

/** Bytes of a `uint32`, which is also the length of a `string`. */
const UINT32 = 4;

/** Reads values one after the other. Every length is checked against the bytes that are left. */
export class WireReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  /** @param what - What the bytes are, for errors: `The list of keys`. */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Reads a `byte`. */
  byte(): number {
    return this.#take(1).readUInt8();
  }

  /** Reads a `uint32`. */
  uint32(): number {
    return this.#take(UINT32).readUInt32BE();
  }

  /** Reads a `string`, which contains any bytes. */
  string(): Buffer {
    return this.#take(this.uint32());
  }

  /** Reads a `string` that contains a name. */
  name(): string {
    return this.string().toString("latin1");
  }

  /**
   * Reads a positive `mpint`.
   *
   * Leading zeros are accepted, as OpenSSH does, although RFC 4251 §5 forbids those that aren't needed: Secretive 3.0 sends
   * integers of a fixed length.
   *
   * @returns The integer without leading zeros.
   */
  positive(): Buffer {
    const bytes = this.string();
    const first = bytes.findIndex((byte) => byte !== 0);
    if (first < 0 || bytes.readUInt8() >= 0x80) throw this.#malformed("an integer that isn't positive");
    return bytes.subarray(first);
  }

  /** Checks that everything was read. */
  end(): void {
    const left = this.#bytes.length - this.#at;
    if (left > 0) throw this.#malformed(`${left} bytes too many`);
  }

  #take(length: number): Buffer {
    const left = this.#bytes.length - this.#at;
    if (length > left) throw this.#malformed(`a value of ${length} bytes where ${left} are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  #malformed(found: string): SignerError {
    return new SignerError("integrity", `${this.#what} is malformed: it has ${found}.`);
  }
}

/** Encodes a `uint32`. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(UINT32);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Encodes a `string`. */
export function string(bytes: Uint8Array): Buffer {
  return Buffer.concat([uint32(bytes.length), bytes]);
}
