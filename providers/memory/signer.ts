/** A signer whose key is in this process's memory: for tests, and for keys as short-lived as the process. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  sign,
} from "node:crypto";
import { SignerError } from "../../src/errors.js";
import { KeySigner, type OpenKey } from "../../src/signer.js";

export interface MemoryKeyOptions {
  /** Lets {@link MemorySigner.exportPem} give the private key away. Default `false`. */
  extractable?: boolean | undefined;
}

const URI = "memory:";
/** What node says of an encrypted PEM without a passphrase: its own word, or OpenSSL's. */
const NO_PASSPHRASE = ["ERR_MISSING_PASSPHRASE", "ERR_OSSL_CRYPTO_INTERRUPTED_OR_CANCELLED"];

/** ES256 with a key in memory. What can read this process's memory can read the key. */
export class MemorySigner extends KeySigner {
  readonly #key: KeyObject;
  readonly #extractable: boolean;

  private constructor(key: KeyObject, { extractable = false }: MemoryKeyOptions) {
    super({ provider: "memory", uri: URI, open: () => openKey(key, extractable) }, { verify: "first" });
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
    return new MemorySigner(checkCurve(parsePem(pem, options.passphrase)), options);
  }

  /**
   * @param jwk - a private P-256 JWK (RFC 7518 §6.2.2)
   * @throws {SignerError} `wrong-key` if it is anything else
   */
  static fromJwk(jwk: JsonWebKey, options: MemoryKeyOptions = {}): MemorySigner {
    return new MemorySigner(checkCurve(parseJwk(jwk)), options);
  }

  /**
   * @param passphrase - encrypts it (PBES2, AES-256-CBC)
   * @returns PKCS#8
   * @throws {SignerError} `access-denied` unless the key was made extractable
   */
  exportPem(passphrase?: string): string {
    if (!this.#extractable)
      throw refused("access-denied", "This key is not extractable. Make it with { extractable: true }.");
    const protection = passphrase === undefined ? undefined : { cipher: "aes-256-cbc", passphrase };
    return this.#key.export({ type: "pkcs8", format: "pem", ...protection }).toString();
  }
}

function openKey(key: KeyObject, extractable: boolean): OpenKey {
  const signingKey = { key, dsaEncoding: "ieee-p1363" } as const;
  return {
    publicKey: createPublicKey(key).export({ type: "spki", format: "der" }),
    signMessage: (message) => ({ signature: sign("sha256", message, signingKey), form: "raw" }),
    describe: () => ({ protection: "software", exportable: true, evidence: { extractable, memory: "this process" } }),
    close: () => undefined,
  };
}

function parsePem(pem: string, passphrase: string | undefined): KeyObject {
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (passphrase === undefined && NO_PASSPHRASE.includes(String(code)))
      throw refused("pin-required", "The PEM is encrypted. Give its passphrase.");
    if (passphrase !== undefined && code !== "ERR_OSSL_UNSUPPORTED")
      throw refused("pin-incorrect", "The PEM could not be decrypted with this passphrase.", cause);
    throw refused("wrong-key", "This is no PEM of a private key (PKCS#8 or SEC1).", cause);
  }
}

function parseJwk(jwk: JsonWebKey): KeyObject {
  try {
    return createPrivateKey({ key: jwk, format: "jwk" });
  } catch {
    // The cause would name the member, and some versions its value.
    throw refused("wrong-key", "This is no private JWK of a key on a known curve.");
  }
}

function checkCurve(key: KeyObject): KeyObject {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (namedCurve === "prime256v1") return key;
  throw refused(
    "wrong-key",
    `ES256 needs a P-256 key, this is ${key.asymmetricKeyType} ${namedCurve ?? modulusLength}.`,
  );
}

function refused(code: SignerError["code"], message: string, cause?: unknown): SignerError {
  return new SignerError(code, `${URI} ${message}`, { uri: URI, cause });
}
