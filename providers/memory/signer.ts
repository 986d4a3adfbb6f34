/** A signer whose key is in this process's memory: for tests, and for keys that live only as long as the process. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import {
  openSoftwareKey,
  type PrivateJwk,
  privateKeyFromJwk,
  privateKeyFromPem,
  privateKeyToPem,
} from "../../src/keystore/software-key.js";

/** Options of {@link MemorySigner}. `verify` defaults to `first`, because signatures come from this process. */
export interface MemoryKeyOptions extends KeySignerOptions {
  /** Allows {@link MemorySigner.exportPem} to return the private key. Default: `false`. */
  extractable?: boolean | undefined;
}

const URI = "memory:";

/**
 * Signs ES256 with a key in memory. Anything that can read this process's memory can read the key.
 *
 * @example
 * ```ts
 * const signer = MemorySigner.generate();
 * ```
 */
export class MemorySigner extends KeySigner {
  readonly #key: KeyObject;
  readonly #extractable: boolean;

  private constructor(key: KeyObject, { extractable = false, verify = "first", timeout }: MemoryKeyOptions) {
    const evidence = { extractable, memory: "this process" };
    super({ provider: "memory", uri: URI, open: () => openSoftwareKey(key, evidence) }, { verify, timeout });
    this.#key = key;
    this.#extractable = extractable;
  }

  /** Generates a P-256 key. */
  static generate(options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey, options);
  }

  /**
   * Imports a key from PEM.
   *
   * @param pem - PKCS#8, encrypted PKCS#8, or SEC1.
   * @throws {SignerError} With code `wrong-key` if it isn't a P-256 private key; `pin-required` or `pin-incorrect` if
   *   it is encrypted and the passphrase is missing or wrong.
   */
  static fromPem(pem: string, options: MemoryKeyOptions & { passphrase?: string | undefined } = {}): MemorySigner {
    return new MemorySigner(
      withUri(() => privateKeyFromPem(pem, options.passphrase)),
      options,
    );
  }

  /**
   * Imports a key from a JWK.
   *
   * @param jwk - A private P-256 JWK (RFC 7518 §6.2.2).
   * @throws {SignerError} With code `wrong-key` if it isn't one.
   */
  static fromJwk(jwk: PrivateJwk, options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(
      withUri(() => privateKeyFromJwk(jwk)),
      options,
    );
  }

  /**
   * Exports the private key.
   *
   * @param passphrase - Encrypts the key (PBES2, AES-256-CBC).
   * @returns PKCS#8 in PEM.
   * @throws {SignerError} With code `access-denied` unless the signer was created with `extractable: true`.
   */
  exportPem(passphrase?: string): string {
    if (this.#extractable) return privateKeyToPem(this.#key, passphrase);
    const message = `${URI} This key is not extractable. Create it with { extractable: true }.`;
    throw new SignerError("access-denied", message, { uri: URI });
  }
}

/** Adds the URI to errors. It already ends in a colon. */
function withUri(importKey: () => KeyObject): KeyObject {
  try {
    return importKey();
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    throw new SignerError(error.code, `${URI} ${error.message}`, { uri: URI, cause: error.cause });
  }
}
