/** A signer whose key is in this process's memory: for tests, and for keys that live only as long as the process. */
import { SignerError } from "../../src/errors.js";
import { assertObject } from "../../src/keystore/assert.js";
import { KeySigner, type KeySignerOptions } from "../../src/keystore/key-signer.js";
import {
  generateSoftwareKey,
  openSoftwareKey,
  type PrivateJwk,
  privateKeyToPem,
  type SoftwareKey,
  softwareKeyFromJwk,
  softwareKeyFromPem,
} from "../../src/keystore/software-key.js";

/** Options of {@link MemorySigner}. `verify` defaults to `first`, because signatures come from this process. */
export interface MemoryKeyOptions extends KeySignerOptions {
  /** Allows {@link MemorySigner.exportPem} to return the private key. Default: `false`. */
  extractable?: boolean | undefined;
}

const URI = "memory:";

/**
 * Signs with a key in memory, by any algorithm. Anything that can read this process's memory can read the key.
 *
 * @example
 * ```ts
 * const signer = MemorySigner.generate();
 * ```
 */
export class MemorySigner extends KeySigner {
  readonly #key: SoftwareKey;
  readonly #extractable: boolean;

  private constructor(key: SoftwareKey, options: MemoryKeyOptions) {
    const { extractable = false, verify = "first", timeout, publicKey } = options;
    const evidence = { extractable, memory: "this process" };
    super({ provider: "memory", uri: URI, open: () => openSoftwareKey(key, evidence) }, { verify, timeout, publicKey });
    this.#key = key;
    this.#extractable = extractable;
  }

  /**
   * Generates a key for `algorithm`. Default: `ES256`. An RSA key has 3072 bits.
   *
   * @throws {SignerError} With code `misconfigured` if this version of Node doesn't have the algorithm.
   */
  static generate(options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(
      withUri(() => generateSoftwareKey(checked(options).algorithm)),
      options,
    );
  }

  /**
   * Imports a key from PEM.
   *
   * @param pem - PKCS#8, encrypted PKCS#8, SEC1 or PKCS#1.
   * @throws {SignerError} With code `wrong-key` if it isn't a private key that can sign with `algorithm`;
   *   `misconfigured` if it is an RSA key and `algorithm` is missing; `pin-required` or `pin-incorrect` if it is
   *   encrypted and the passphrase is missing or wrong.
   */
  static fromPem(pem: string, options: MemoryKeyOptions & { passphrase?: string | undefined } = {}): MemorySigner {
    return new MemorySigner(
      withUri(() => softwareKeyFromPem(pem, checked(options))),
      options,
    );
  }

  /**
   * Imports a key from a JWK.
   *
   * @param jwk - A private JWK (RFC 7517). Its `alg` is the default of `algorithm`.
   * @throws {SignerError} With code `wrong-key` if it isn't one that can sign with `algorithm`; `misconfigured` if it
   *   is an RSA key and nothing says which algorithm.
   */
  static fromJwk(jwk: PrivateJwk, options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(
      withUri(() => softwareKeyFromJwk(jwk, checked(options).algorithm)),
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

/** @throws {SignerError} With code `misconfigured` if they aren't an object. */
function checked<T extends MemoryKeyOptions>(options: T): T {
  return assertObject(options, "The options of a signer");
}

/** Adds the URI to errors. It already ends in a colon. */
function withUri(importKey: () => SoftwareKey): SoftwareKey {
  try {
    return importKey();
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    throw new SignerError(error.code, `${URI} ${error.message}`, { uri: URI, cause: error.cause });
  }
}
