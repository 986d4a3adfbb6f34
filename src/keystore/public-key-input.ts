/** The option `publicKey` of a signer, in every form that Node's users have a public key in. */
import { createPublicKey, KeyObject, type webcrypto } from "node:crypto";
import { types } from "node:util";
import { SignerError } from "../errors.js";
import { thumbprint } from "../jose/jwk-thumbprint.js";
import {
  type ImportedPublicKey,
  importPublicKey,
  PRIVATE_MEMBERS,
  type PublicKeyMembers,
  publicMembers,
} from "../jose/public-key.js";
import { misconfigured } from "./signer-error.js";

/**
 * A public key: a `KeyObject`, a `CryptoKey`, a JWK, SubjectPublicKeyInfo in DER, or PEM (of the key, or of an X.509
 * certificate for it).
 */
export type PublicKeyInput = KeyObject | webcrypto.CryptoKey | PublicKeyMembers | Uint8Array | string;

/**
 * Returns the public key in a form that `importPublicKey` reads.
 *
 * @throws {SignerError} With code `misconfigured` if it is a private or secret key; `wrong-key` if it isn't a public key.
 */
export function encodePublicKey(publicKey: PublicKeyInput): Uint8Array | PublicKeyMembers {
  if (typeof publicKey === "string") return spkiOf(parsePem(publicKey));
  // Unlike `instanceof`, these functions also recognise the keys of another realm.
  if (types.isKeyObject(publicKey)) return spkiOf(publicKey);
  if (types.isCryptoKey(publicKey)) return spkiOf(KeyObject.from(publicKey));
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(Object(publicKey), name))) throw containsPrivateKey();
  return publicKey;
}

/**
 * Returns SubjectPublicKeyInfo in DER.
 *
 * @throws {SignerError} With code `misconfigured` if it is a private or secret key.
 */
export function spkiOf(key: KeyObject): Uint8Array {
  if (key.type === "public") return key.export({ type: "spki", format: "der" });
  throw misconfigured(`The option publicKey is a ${key.type} key.`);
}

function parsePem(pem: string): KeyObject {
  // Node would derive the public key from it.
  if (pem.includes("PRIVATE KEY-----")) throw containsPrivateKey();
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new SignerError("wrong-key", "The option publicKey isn't the PEM of a public key or a certificate.", {
      cause,
    });
  }
}

function containsPrivateKey(): SignerError {
  return misconfigured("The option publicKey contains a private key.");
}

/**
 * Checks that a key is that of the option `publicKey`, whose `alg` doesn't count: an RSA key can sign with several.
 *
 * @throws {SignerError} With code `wrong-key` if it isn't.
 */
export function checkSameKey({ jwk }: ImportedPublicKey, expected: Uint8Array | PublicKeyMembers): void {
  const members = expected instanceof Uint8Array ? expected : publicMembers(expected);
  if (thumbprint(importPublicKey(members, { algorithm: jwk.alg }).jwk) === thumbprint(jwk)) return;
  throw new SignerError("wrong-key", "The store's key isn't the key of the option publicKey. Correct the option.");
}
