/**
 * Remembers the PINs that failed. OpenSSL's errors don't show whether a PIN was wrong, so any failure counts: a token locks
 * after a few wrong PINs, and an application may open a key again and again.
 */
import { fingerprintOf } from "../../src/keystore/pin-fingerprint.js";

/** A PIN, and what it is for. */
export interface PinUse {
  /** The URI of the key. */
  readonly storeUri: string;
  /** Names the token or the key that the PIN belongs to. */
  readonly pinOwner: string;
  /** `undefined` if the key is used without one, which a TPM counts as a wrong PIN if the key has one. */
  readonly pin?: string | undefined;
}

const failed = new Set<string>();
/** By owner: the PIN that it has accepted. */
const accepted = new Map<string, string>();

/** Returns whether the PIN failed before, for this key or for another one of its owner. */
export function hasFailed(use: PinUse): boolean {
  return failed.has(ownerPrint(use)) || failed.has(keyPrint(use));
}

/**
 * Remembers a failure. If the PIN had opened another key of its owner before, the PIN is probably right, and only this key
 * is given up. The next failure counts for all keys, since the PIN may have been changed.
 *
 * @returns Whether the PIN is probably right.
 */
export function rememberFailure(use: PinUse): boolean {
  const isProbablyRight = accepted.get(use.pinOwner) === ownerPrint(use) && accepted.delete(use.pinOwner);
  failed.add(isProbablyRight ? keyPrint(use) : ownerPrint(use));
  return isProbablyRight;
}

/**
 * Remembers that the owner has accepted the PIN.
 *
 * @returns Whether it has accepted another one before. A token that is already logged in doesn't check a PIN.
 */
export function rememberSuccess(use: PinUse): boolean {
  const print = ownerPrint(use);
  const previous = accepted.get(use.pinOwner);
  if (previous === undefined) accepted.set(use.pinOwner, print);
  return previous !== undefined && previous !== print;
}

function ownerPrint({ pinOwner, pin = "" }: PinUse): string {
  return fingerprintOf(pinOwner, pin);
}

function keyPrint({ storeUri, pin = "" }: PinUse): string {
  return fingerprintOf(`key ${storeUri}`, pin);
}
