/** The seam between the protocols and the keys: a private key that signs, in whatever key store. */
import type { PublicJwk } from "../jose/public-key.js";

export type { PublicJwk } from "../jose/public-key.js";

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
