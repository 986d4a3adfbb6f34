/**
 * The seam between the protocol and the key. A `Signer` is what the prover sees. An `OpenKey` is what a provider
 * writes. Between them stands `KeySigner`.
 */
import type { PublicJwk } from "./ecdsa.js";

export type { PublicJwk } from "./ecdsa.js";

/** A private key that signs, wherever it lives. */
export interface Signer {
  /** The JWS algorithm (RFC 7518 §3.1). */
  readonly alg: "ES256";
  /** The key's URI, without any PIN, for logs and traces. */
  readonly uri?: string | undefined;
  /**
   * @returns the public half: fetched once, then kept
   * @throws {SignerError} code of what went wrong
   */
  publicJwk(options?: SignOptions): Promise<PublicJwk>;
  /**
   * @param data - what to sign, of any length; hashed with SHA-256
   * @returns 64 bytes, r‖s (RFC 7518 §3.4)
   * @throws {SignerError} code of what went wrong
   */
  sign(data: Uint8Array, options?: SignOptions): Promise<Uint8Array>;
  /**
   * @returns where the key lives, and what proves that it can't leave
   * @throws {SignerError} code of what went wrong
   */
  describe(options?: SignOptions): Promise<KeyDescription>;
  /** Lets the key go once the signatures under way are made. Closing twice is fine; using it after is an error. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SignOptions {
  /** Gives up the wait with `SignerError` code `aborted`. */
  signal?: AbortSignal | undefined;
}

/** Where a key lives. */
export interface KeyDescription extends KeyFacts {
  /** The scheme of the provider. */
  readonly provider: string;
  /** The key's URI, without any PIN. */
  readonly uri: string;
  readonly alg: "ES256";
  /** SHA-256 JWK thumbprint (RFC 7638), base64url. */
  readonly jkt: string;
}

/** What a key store says of a key. */
export interface KeyFacts {
  readonly protection: "software" | "tpm" | "hsm" | "external" | "unknown";
  readonly exportable: boolean | "unknown";
  /** The store's own words, never a guess: PKCS#11 attributes, KMS metadata, an attestation. */
  readonly evidence: Readonly<Record<string, unknown>>;
}

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
