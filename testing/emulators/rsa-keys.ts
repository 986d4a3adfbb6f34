/** The RSA keys of the emulators. Generating one takes up to a few seconds, so there are two of each length, which take turns. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";

const rsaKeys = new Map<number, KeyObject[]>();

/**
 * Returns another private key than the previous call with this length.
 *
 * @param modulusLength - Bits.
 */
export function nextRsaKey(modulusLength: number): KeyObject {
  const keys = rsaKeys.get(modulusLength) ?? [];
  const reused = keys.length < 2 ? undefined : keys.shift();
  const key = reused ?? generateKeyPairSync("rsa", { modulusLength }).privateKey;
  rsaKeys.set(modulusLength, [...keys, key]);
  return key;
}
