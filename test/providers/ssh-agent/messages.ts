/** Messages of the agent protocol, and the values in them (RFC 9987, RFC 4251 §5). */

/** Returns a `uint32`. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Returns a `string`. A message with its length has the same form. */
export function string(...parts: (string | Uint8Array)[]): Buffer {
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([uint32(bytes.length), bytes]);
}

/** Returns a positive `mpint` of an unsigned integer. */
export function mpint(integer: Uint8Array): Buffer {
  const digits = Buffer.from(integer.subarray(integer.findIndex((byte) => byte !== 0)));
  return string(Number(digits[0]) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]));
}

/** Returns the response with a list of keys. */
export function listResponse(...keys: (readonly [key: Uint8Array, comment: string | Uint8Array])[]): Buffer {
  const listed = keys.map(([key, comment]) => Buffer.concat([string(key), string(comment)]));
  return string(Buffer.of(12), uint32(keys.length), ...listed);
}

/** Returns the response with a signature. */
export function signResponse(type: string, value: Uint8Array): Buffer {
  return string(Buffer.of(14), string(string(type), string(value)));
}

/** The public key of Ed25519's generator, which nobody has the private key of. */
export const ED25519_KEY = Buffer.concat([string("ssh-ed25519"), string(Buffer.alloc(32, 0x66).fill(0x58, 0, 1))]);
