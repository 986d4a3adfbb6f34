/** A signer whose key is in this process's memory: for tests, and for keys as short-lived as the process. */
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

/** The first signature alone is verified unless `verify` says otherwise: they come from this process. */
export interface MemoryKeyOptions extends KeySignerOptions {
  /** Lets {@link MemorySigner.exportPem} give the private key away. Default `false`. */
  extractable?: boolean | undefined;
}

const URI = "memory:";

/** ES256 with a key in memory. What can read this process's memory can read the key. */
export class MemorySigner extends KeySigner {
  readonly #key: KeyObject;
  readonly #extractable: boolean;

  private constructor(key: KeyObject, { extractable = false, verify = "first", timeout }: MemoryKeyOptions) {
    const evidence = { extractable, memory: "this process" };
    super({ provider: "memory", uri: URI, open: () => openSoftwareKey(key, evidence) }, { verify, timeout });
    this.#key = key;
    this.#extractable = extractable;
  }

  /** Makes a fresh P-256 key. */
  static generate(options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey, options);
  }

  /**
   * @param pem - PKCS#8, encrypted PKCS#8, or SEC1
   * @throws {SignerError} `wrong-key` if it is no P-256 private key, `pin-required` or `pin-incorrect` for its passphrase
   */
  static fromPem(pem: string, options: MemoryKeyOptions & { passphrase?: string | undefined } = {}): MemorySigner {
    return new MemorySigner(
      inMemory(() => privateKeyFromPem(pem, options.passphrase)),
      options,
    );
  }

  /**
   * @param jwk - a private P-256 JWK (RFC 7518 §6.2.2)
   * @throws {SignerError} `wrong-key` if it is anything else
   */
  static fromJwk(jwk: PrivateJwk, options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(
      inMemory(() => privateKeyFromJwk(jwk)),
      options,
    );
  }

  /**
   * @param passphrase - encrypts it (PBES2, AES-256-CBC)
   * @returns PKCS#8
   * @throws {SignerError} `access-denied` unless the key was made extractable
   */
  exportPem(passphrase?: string): string {
    if (this.#extractable) return privateKeyToPem(this.#key, passphrase);
    throw new SignerError("access-denied", `${URI} This key is not extractable. Make it with { extractable: true }.`, {
      uri: URI,
    });
  }
}

/** Errors that say which key they are about. */
function inMemory(read: () => KeyObject): KeyObject {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    throw new SignerError(error.code, `${URI} ${error.message}`, { uri: URI, cause: error.cause });
  }
}
