/** A key that is open, and how a signature is made with it. */
import { isAborted } from "../deadline.js";
import type { Algorithm } from "../jose/algorithms.js";
import { derToRaw } from "../jose/ecdsa-der.js";
import type { ImportedPublicKey } from "../jose/public-key.js";
import type { OpenKey, OpenKeyOptions, StoreSignature } from "./key-source.js";
import { LoopTurns } from "./loop-turns.js";
import type { Message } from "./message.js";
import { isPromiseLike } from "./promise-like.js";
import type { SigningQueue } from "./signing-queue.js";

/** A key that is open, and what its signer knows of it. */
export interface OpenedKey extends ImportedPublicKey {
  readonly openKey: OpenKey;
  readonly queue: SigningQueue;
  /** Whether a signature has been verified with the public key. */
  verified: boolean;
  /** Whether the store's last signature was made synchronously, on the event loop. */
  isSynchronous: boolean;
}

/** One for all keys in memory. */
const signingTurns = new LoopTurns();

/** A store that signs synchronously must not stop the event loop for long. */
export function signWith(
  opened: OpenedKey,
  message: Message,
  options: OpenKeyOptions,
): StoreSignature | Promise<StoreSignature> {
  if (opened.isSynchronous)
    return signingTurns.run((isLater) => {
      if (isLater && isAborted(options)) throw options.signal.reason;
      return startSigning(opened, message, options);
    });
  const result = startSigning(opened, message, options);
  opened.isSynchronous = !isPromiseLike(result);
  return result;
}

function startSigning(
  { openKey: key, algorithm, queue }: OpenedKey,
  message: Message,
  options: OpenKeyOptions,
): StoreSignature | Promise<StoreSignature> {
  if ("signQueued" in key) return key.signQueued(() => message.inputOf(algorithm), options);
  if ("signDigest" in key) return queue.run(() => key.signDigest(message.inputOf(algorithm), options), options);
  return queue.run(() => key.signMessage(message.bytes, options), options);
}

/** Returns the signature as JWS has it: r || s for ECDSA (RFC 7518 §3.4). */
export function rawSignature({ signature, form }: StoreSignature, algorithm: Algorithm): Uint8Array {
  return form === "der" && algorithm.kty === "EC" ? derToRaw(signature, algorithm) : signature;
}
