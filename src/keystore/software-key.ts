/** Private keys in this process's memory: generating them, importing them from PEM or JWK, and signing with them. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { SignerError } from "../errors.js";
import { type Algorithm, type AlgorithmName, ES256 } from "../jose/algorithms.js";
import { algorithmNamed } from "../jose/find-algorithm.js";
import { importPublicKey, type PublicJwk, withOptions } from "../jose/public-key.js";
import type { OpenKey } from "./key-source.js";

/** A private key as a JWK (RFC 7518 §6, RFC 8037 §2, RFC 9964), as `node:crypto`, WebCrypto and jose export it. */
export interface PrivateJwk {
  /** The key type: `EC`, `RSA`, `OKP` or `AKP`. */
  readonly kty?: string | undefined;
  /** The algorithm. It decides for an RSA key, unless the option `algorithm` does. */
  readonly alg?: string | undefined;
  /** EC and OKP: the curve, such as `P-256`. */
  readonly crv?: string | undefined;
  /** EC: the x coordinate. OKP: the public key. */
  readonly x?: string | undefined;
  /** EC: the y coordinate. */
  readonly y?: string | undefined;
  /** EC and OKP: the private key. RSA: the private exponent. */
  readonly d?: string | undefined;
  /** RSA: the modulus. */
  readonly n?: string | undefined;
  /** RSA: the public exponent. */
  readonly e?: string | undefined;
  /** RSA: the first prime. */
  readonly p?: string | undefined;
  /** RSA: the second prime. */
  readonly q?: string | undefined;
  /** RSA: d mod (p - 1). */
  readonly dp?: string | undefined;
  /** RSA: d mod (q - 1). */
  readonly dq?: string | undefined;
  /** RSA: the inverse of q mod p. */
  readonly qi?: string | undefined;
  /** AKP: the public key. */
  readonly pub?: string | undefined;
  /** AKP: the seed of the private key. */
  readonly priv?: string | undefined;
}

/** A private key in this process's memory, and the algorithm that it signs with. */
export interface SoftwareKey {
  readonly privateKey: KeyObject;
  readonly algorithm: Algorithm;
  readonly jwk: PublicJwk;
}

/** Options of {@link softwareKeyFromPem}. */
export interface PemOptions {
  /** The passphrase of an encrypted key. */
  readonly passphrase?: string | undefined;
  /** The algorithm of an RSA key. */
  readonly algorithm?: string | undefined;
}

/**
 * Generates a key.
 *
 * @param algorithm - Default: `ES256`. A new RSA key has 3072 bits.
 * @throws {SignerError} With code `misconfigured` if Node can't use the algorithm.
 */
export function generateSoftwareKey(algorithm: AlgorithmName = ES256.alg): SoftwareKey {
  return softwareKey(generatePrivateKey(algorithmNamed(algorithm)), algorithm);
}

/**
 * Imports a private key from PEM.
 *
 * @param pem - PKCS#8, encrypted PKCS#8, SEC1 or PKCS#1.
 * @throws {SignerError} With code `wrong-key` if it isn't a private key that can sign with the algorithm;
 *   `misconfigured` if it can sign with several; `pin-required` or `pin-incorrect` if it is encrypted and the passphrase
 *   is missing or wrong.
 */
export function softwareKeyFromPem(pem: string, { passphrase, algorithm }: PemOptions = {}): SoftwareKey {
  return softwareKey(parsePem(pem, passphrase), algorithm);
}

/**
 * Imports a private key from a JWK.
 *
 * @throws {SignerError} With code `wrong-key` if it isn't a private JWK that can sign with the algorithm;
 *   `misconfigured` if it can sign with several.
 */
export function softwareKeyFromJwk(jwk: PrivateJwk, algorithm = jwk?.alg): SoftwareKey {
  return softwareKey(parseJwk(jwk), algorithm);
}

/**
 * Exports a private key.
 *
 * @returns PKCS#8 in PEM, encrypted (PBES2, AES-256-CBC) if there is a passphrase.
 */
export function privateKeyToPem({ privateKey }: SoftwareKey, passphrase?: string): string {
  const protection = passphrase === undefined ? undefined : { cipher: "aes-256-cbc", passphrase };
  return privateKey.export({ type: "pkcs8", format: "pem", ...protection }).toString();
}

/**
 * Returns the open key for {@link KeySigner}.
 *
 * @param evidence - Where the key comes from.
 */
export function openSoftwareKey(
  { privateKey, algorithm, jwk }: SoftwareKey,
  evidence: Record<string, unknown>,
): OpenKey {
  const { hash } = algorithm;
  const signingKey = withOptions(privateKey, algorithm);
  return {
    publicKey: jwk,
    signMessage: (message) => ({ signature: sign(hash, message, signingKey), form: "der" }),
    describe: () => ({ protection: "software", exportable: true, evidence }),
    close: () => undefined,
  };
}

/** Returns whether a PEM is encrypted, by its header (RFC 7468 §11; RFC 1421 §4.6.1.3 for SEC1 and PKCS#1). */
export function isEncrypted(pem: string): boolean {
  return /^-----BEGIN ENCRYPTED |^DEK-Info:/m.test(pem);
}

function softwareKey(privateKey: KeyObject, requested: string | undefined): SoftwareKey {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const { algorithm, jwk } = importPublicKey(spki, { algorithm: requested });
  return { privateKey, algorithm, jwk };
}

function generatePrivateKey(algorithm: Algorithm): KeyObject {
  if (algorithm.kty === "EC") return generateKeyPairSync("ec", { namedCurve: algorithm.namedCurve }).privateKey;
  if (algorithm.kty === "RSA") return generateKeyPairSync("rsa", { modulusLength: algorithm.newModulus }).privateKey;
  // The types of the oldest supported release of Node don't have ML-DSA.
  return generateKeyPairSync(algorithm.keyType as "ed25519").privateKey;
}

/** Returns what a text is, without any part of a key: `PEM of a PUBLIC KEY`, `empty` or `text without a PEM block`. */
export function describePem(text: string): string {
  const label = /-----BEGIN ([A-Z0-9 ]{1,40})-----/.exec(text)?.[1];
  if (label !== undefined) return `PEM of ${/^[AEIOU]|^RSA/.test(label) ? "an" : "a"} ${label}`;
  return text.trim() === "" ? "empty" : "text without a PEM block";
}

function parsePem(pem: string, passphrase: string | undefined): KeyObject {
  // The error of Node for this differs between releases.
  if (passphrase === undefined && isEncrypted(pem))
    throw new SignerError("pin-required", "The PEM is encrypted: set the option passphrase.");
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    if (isEncrypted(pem))
      throw new SignerError("pin-incorrect", "The PEM can't be decrypted with this passphrase.", { cause });
    const message = `This isn't the PEM of a private key (PKCS#8, SEC1 or PKCS#1), but ${describePem(String(pem))}.`;
    throw new SignerError("wrong-key", message, { cause });
  }
}

function parseJwk(jwk: PrivateJwk): KeyObject {
  try {
    return createPrivateKey({ key: Object.fromEntries(Object.entries(jwk)), format: "jwk" });
  } catch {
    // Without the cause, which in some versions of Node contains the value of a member.
    throw new SignerError("wrong-key", "This isn't a private JWK of a supported type and curve.");
  }
}
