/** A P-256 private key in this process's memory: read from PEM or JWK, checked, and open for signing. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { SignerError } from "../errors.js";
import { importPublicKey } from "../jose/public-key.js";
import type { OpenKey } from "./key-source.js";

/** A private key as `node:crypto`, WebCrypto and jose give it (RFC 7518 §6.2.2). */
export interface PrivateJwk {
  readonly kty?: string | undefined;
  readonly crv?: string | undefined;
  readonly x?: string | undefined;
  readonly y?: string | undefined;
  readonly d?: string | undefined;
}

/**
 * @param pem - PKCS#8, encrypted PKCS#8, or SEC1
 * @throws {SignerError} `wrong-key` if it is no P-256 private key, `pin-required` or `pin-incorrect` for its passphrase
 */
export function privateKeyFromPem(pem: string, passphrase?: string): KeyObject {
  return checkCurve(parsePem(pem, passphrase));
}

/**
 * @param jwk - a private P-256 JWK (RFC 7518 §6.2.2)
 * @throws {SignerError} `wrong-key` if it is anything else
 */
export function privateKeyFromJwk(jwk: PrivateJwk): KeyObject {
  return checkCurve(parseJwk(jwk));
}

/** @returns PKCS#8; encrypted (PBES2, AES-256-CBC) if there is a passphrase */
export function privateKeyToPem(key: KeyObject, passphrase?: string): string {
  const protection = passphrase === undefined ? undefined : { cipher: "aes-256-cbc", passphrase };
  return key.export({ type: "pkcs8", format: "pem", ...protection }).toString();
}

/** @param evidence - what is known of where the key came from */
export function openSoftwareKey(key: KeyObject, evidence: Record<string, unknown>): OpenKey {
  const signingKey = { key, dsaEncoding: "ieee-p1363" } as const;
  return {
    publicKey: spki(key),
    signMessage: (message) => ({ signature: sign("sha256", message, signingKey), form: "raw" }),
    describe: () => ({ protection: "software", exportable: true, evidence }),
    close: () => undefined,
  };
}

/** By its first lines (RFC 7468 §11; RFC 1421 §4.6.1.3 for SEC1). */
export function isEncrypted(pem: string): boolean {
  return /^-----BEGIN ENCRYPTED |^DEK-Info:/m.test(pem);
}

function parsePem(pem: string, passphrase: string | undefined): KeyObject {
  // Node's own error for this is another one in each release.
  if (passphrase === undefined && isEncrypted(pem))
    throw new SignerError("pin-required", "The PEM is encrypted. Give its passphrase.");
  try {
    return createPrivateKey({ key: pem, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    if (isEncrypted(pem))
      throw new SignerError("pin-incorrect", "The PEM could not be decrypted with this passphrase.", { cause });
    throw new SignerError("wrong-key", "This is no PEM of a private key (PKCS#8 or SEC1).", { cause });
  }
}

function parseJwk(jwk: PrivateJwk): KeyObject {
  try {
    return createPrivateKey({ key: Object.fromEntries(Object.entries(jwk)), format: "jwk" });
  } catch {
    // The cause would name the member, and some versions its value.
    throw new SignerError("wrong-key", "This is no private JWK of a key on a known curve.");
  }
}

function checkCurve(key: KeyObject): KeyObject {
  importPublicKey(spki(key));
  return key;
}

function spki(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" });
}
