/** The interface between the protocols and the key stores. */
import type { AlgorithmName } from "../jose/algorithms.js";
import type { PublicJwk } from "../jose/public-key.js";

export type { AlgorithmName } from "../jose/algorithms.js";
export type { PublicJwk, PublicKeyMembers } from "../jose/public-key.js";

/** A private key that signs, in any key store. */
export interface Signer {
  /** The key's URI without a PIN, for logs and traces. */
  readonly uri?: string | undefined;
  /**
   * Returns the public key with its `alg`, the algorithm that {@link Signer.sign} uses. It is fetched once and cached.
   *
   * @throws {SignerError} If the key can't be opened.
   */
  publicJwk(options?: SignOptions): Promise<PublicJwk>;
  /**
   * Signs data with the algorithm of the key.
   *
   * @param data - The bytes to sign, of any length, not hashed. A function is called once, when the request is
   *   handed to the store, so that what it returns can contain the time of signing. It isn't called while the request
   *   waits in a queue. A `replicaSigner` may call it once for each replica; the last result is the one that is signed.
   *   What it throws is thrown as it is.
   * @returns The signature as a JWS contains it, such as 64 bytes r‖s for ES256 (RFC 7518 §3.4).
   * @throws {SignerError} If the key can't be opened, or the store doesn't return a valid signature.
   */
  sign(data: Uint8Array | (() => Uint8Array), options?: SignOptions): Promise<Uint8Array>;
  /**
   * Returns where the key is stored, and the store's evidence of whether it can be exported.
   *
   * @throws {SignerError} If the key can't be opened or described.
   */
  describe(options?: SignOptions): Promise<KeyDescription>;
  /**
   * Releases the key when all signatures in flight are complete. It may be called more than once. Any other call fails
   * with code `misconfigured` afterwards.
   */
  close(): Promise<void>;
  /** Calls {@link Signer.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Options of every call of a {@link Signer}. */
export interface SignOptions {
  /** Rejects the call with `SignerError` code `aborted`. */
  signal?: AbortSignal | undefined;
}

/** Where a key is stored, and how it is protected. */
export interface KeyDescription extends KeyFacts {
  /** The scheme of the provider. */
  readonly provider: string;
  /** The key's URI, without a PIN. */
  readonly uri: string;
  /** The JWS algorithm. */
  readonly alg: AlgorithmName;
  /** SHA-256 JWK thumbprint (RFC 7638), base64url. */
  readonly jkt: string;
}

/** What a key store reports about a key. */
export interface KeyFacts {
  /**
   * The kind of store. `external` means one outside the service that Hardproof calls, so its protection isn't known.
   */
  readonly protection: "software" | "tpm" | "hsm" | "external" | "unknown";
  /** Whether the private key can leave the store. `unknown` if the store doesn't report it. */
  readonly exportable: boolean | "unknown";
  /**
   * What the store itself reports: PKCS#11 attributes, KMS metadata, an attestation. Nothing in it is inferred, except for
   * `software`: the name of a token that is a program, by the manufacturer and model that it reports.
   */
  readonly evidence: Readonly<Record<string, unknown>>;
}
