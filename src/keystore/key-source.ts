/** How a provider opens a key, and signs with the open key. `KeySigner` turns a `KeySource` into a `Signer`. */
import type { PublicKeyMembers } from "../jose/public-key.js";
import type { KeyFacts } from "./signer.js";

/**
 * One key that a provider has opened. It must not change: if the store has key versions, it is pinned to one.
 *
 * It signs with `signDigest`; with `signMessage` if the store hashes the message; or with `signQueued` if the provider has a
 * queue of its own. {@link KeySigner} converts and verifies the signature. For the first two, it also limits how many
 * requests are in flight, by the store's response times, so that no message gets old in the store.
 */
export type OpenKey = {
  /**
   * A JWK with the `alg` that the key signs with, as `importPublicKey` returns it. A key that can sign with only
   * one algorithm may also be a JWK without it, or SubjectPublicKeyInfo in DER.
   */
  readonly publicKey: Uint8Array | PublicKeyMembers;
  /**
   * The store's name of the pinned key or version. If set, every {@link StoreSignature} must have the same `keyRef`.
   */
  readonly keyRef?: string;
  /**
   * The most requests that the store works on at the same time, for `signDigest` and `signMessage`. Further ones wait.
   * Default: as many as it answers soon, up to 500.
   */
  readonly maxInFlight?: number;
  /** Returns what the store currently reports about the key. */
  describe(options: OpenKeyOptions): KeyFacts | Promise<KeyFacts>;
  /** Called if the key's first signature doesn't match `publicKey`: forgets it, if it is cached. */
  forgetPublicKey?(): void;
  /** Releases the key. Called once, when no call is in flight, or when one has exceeded its time limit. */
  close(): void | Promise<void>;
} & (
  | {
      /**
       * Signs a digest.
       *
       * @param digest - The digest of the message, by the algorithm's hash. For an algorithm that signs messages
       *   (Ed25519, ML-DSA), the message itself.
       */
      signDigest(digest: Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
  | {
      /**
       * Signs a message, and hashes it if the algorithm does.
       *
       * @param message - Any number of bytes.
       */
      signMessage(message: Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
  | {
      /**
       * Signs a digest that is made when the request leaves the provider's queue.
       *
       * @param digest - Returns the digest, or the message, as for `signDigest`. Call it once, when the request is
       *   handed to the store.
       */
      signQueued(digest: () => Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
);

/** Passed to a provider with every call. */
export interface OpenKeyOptions {
  /**
   * Aborts when the caller aborts or the time is up. It is created on first access, so don't access it if the store's
   * client can't use it.
   */
  readonly signal: AbortSignal;
  /** Milliseconds until the time is up. A store with a queue refuses what can't be signed by then, with `throttled`. */
  readonly timeLeft?: number | undefined;
}

/** A signature, as the store returned it. */
export interface StoreSignature {
  /** The signature, in the format of `form`. */
  readonly signature: Uint8Array;
  /**
   * For ECDSA: `der` for an ASN.1 sequence (RFC 3279 §2.2.3), `raw` for r‖s (RFC 7518 §3.4). All other signatures have
   * one form, so either is right.
   */
  readonly form: "der" | "raw";
  /** The key or version that signed, according to the store. */
  readonly keyRef?: string;
}

/** Opens a key for {@link KeySigner}. */
export interface KeySource {
  /** The scheme of the provider. */
  readonly provider: string;
  /** The key's URI. It is part of every error, so it must not contain a secret. */
  readonly uri: string;
  /**
   * Finds the key. Called at the signer's first use, and again if it failed.
   *
   * @param publicKey - The caller's option `publicKey`, if any. A store that needs no other information about the key can
   *   return it without a request: the first signature is verified with it. If the store returns another key,
   *   {@link KeySigner} rejects it.
   * @throws {SignerError} If the key can't be used. Other errors become one with code `unexpected`, which isn't
   *   retryable.
   */
  open(options: OpenKeyOptions, publicKey?: Uint8Array | PublicKeyMembers): OpenKey | Promise<OpenKey>;
}
