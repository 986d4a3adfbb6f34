/** P-256 private keys in this process's memory: importing them from PEM or JWK, and signing with them. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { SignerError } from "../errors.js";
import { ES256 } from "../jose/algorithms.js";
import { importPublicKey } from "../jose/public-key.js";
import type { OpenKey } from "./key-source.js";

/** A private key as a JWK (RFC 7518 §6.2.2), as `node:crypto`, WebCrypto and jose export it. */
export interface PrivateJwk {
  /** `EC`. */
  readonly kty?: string | undefined;
  /** `P-256`. */
  readonly crv?: string | undefined;
  /** The x coordinate: 32 bytes, base64url. */
  readonly x?: string | undefined;
  /** The y coordinate: 32 bytes, base64url. */
  readonly y?: string | undefined;
  /** The private key: 32 bytes, base64url. */
  readonly d?: string | undefined;
}

/**
 * Imports a private key from PEM.
 *
 * @param pem - PKCS#8, encrypted PKCS#8, or SEC1.
 * @throws {SignerError} With code `wrong-key` if it isn't a P-256 private key; `pin-required` or `pin-incorrect` if it
 *   is encrypted and the passphrase is missing or wrong.
 */
export function privateKeyFromPem(pem: string, passphrase?: string): KeyObject {
  return checkCurve(parsePem(pem, passphrase));
}

/**
 * Imports a private key from a JWK.
 *
 * @param jwk - A private P-256 JWK (RFC 7518 §6.2.2).
 * @throws {SignerError} With code `wrong-key` if it isn't one.
 */
export function privateKeyFromJwk(jwk: PrivateJwk): KeyObject {
  return checkCurve(parseJwk(jwk));
}

/**
 * Exports a private key.
 *
 * @returns PKCS#8 in PEM, encrypted (PBES2, AES-256-CBC) if there is a passphrase.
 */
export function privateKeyToPem(key: KeyObject, passphrase?: string): string {
  const protection = passphrase === undefined ? undefined : { cipher: "aes-256-cbc", passphrase };
  return key.export({ type: "pkcs8", format: "pem", ...protection }).toString();
}

/**
 * Returns the open key for {@link KeySigner}.
 *
 * @param evidence - Where the key comes from.
 */
export function openSoftwareKey(key: KeyObject, evidence: Record<string, unknown>): OpenKey {
  const signingKey = { key, dsaEncoding: "ieee-p1363" } as const;
  return {
    publicKey: toSpki(key),
    signMessage: (message) => ({ signature: sign(ES256.hash, message, signingKey), form: "raw" }),
    describe: () => ({ protection: "software", exportable: true, evidence }),
    close: () => undefined,
  };
}

/** Returns whether a PEM is encrypted, by its header (RFC 7468 §11; RFC 1421 §4.6.1.3 for SEC1). */
export function isEncrypted(pem: string): boolean {
  return /^-----BEGIN ENCRYPTED |^DEK-Info:/m.test(pem);
}

function parsePem(pem: string, passphrase: string | undefined): KeyObject {
  // The error of Node for this differs between releases.
  if (passphrase === undefined && isEncrypted(pem))
    throw new SignerError("pin-required", "The PEM is encrypted. Add its passphrase.");
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    if (isEncrypted(pem))
      throw new SignerError("pin-incorrect", "The PEM can't be decrypted with this passphrase.", { cause });
    throw new SignerError("wrong-key", "This isn't the PEM of a private key (PKCS#8 or SEC1).", { cause });
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

function checkCurve(key: KeyObject): KeyObject {
  importPublicKey(toSpki(key));
  return key;
}

function toSpki(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" });
}
