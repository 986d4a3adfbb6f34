/** What a provider implements: finding a key, and signing with it. `KeySigner` makes a `Signer` of it. */
import type { PublicJwk } from "../jose/public-key.js";
import type { KeyFacts } from "./signer.js";

/** For authors of providers: one key, found, immutable, pinned to a version. */
export type OpenKey = {
  /** SubjectPublicKeyInfo in DER, or a JWK. Anything but P-256 is refused with `wrong-key`. */
  readonly publicKey: Uint8Array | PublicJwk;
  /** The pinned key's own name in the store. Where it is set, every answer must carry the same one. */
  readonly keyRef?: string;
  describe(options: OpenKeyOptions): KeyFacts | Promise<KeyFacts>;
  /** Called once, when no call is under way any more, or when one has outlived its time. */
  close(): void | Promise<void>;
} & (
  | {
      /** @param digest - 32 bytes, SHA-256 */
      signDigest(digest: Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
  | {
      /** For a store that hashes by itself. */
      signMessage(message: Uint8Array, options: OpenKeyOptions): StoreSignature | Promise<StoreSignature>;
    }
);

export interface OpenKeyOptions {
  /** Aborts when the caller gives up or the time is up. Reading it is what makes it: leave it alone if it is no use. */
  readonly signal: AbortSignal;
}

/** A signature as the store gives it. */
export interface StoreSignature {
  readonly signature: Uint8Array;
  readonly form: "der" | "raw";
  /** The name of the key that the store says it used. */
  readonly keyRef?: string;
}

/** For authors of providers: how to come to the open key. Nothing is opened before the first use. */
export interface KeySource {
  /** The scheme of the provider. */
  readonly provider: string;
  /** The key's URI, without any PIN: it is in every error. */
  readonly uri: string;
  open(options: OpenKeyOptions): OpenKey | Promise<OpenKey>;
}
