/** Private keys of WebCrypto. Their algorithm, including the hash, is part of the key. */
import { createPublicKey, KeyObject, webcrypto } from "node:crypto";
import { SignerError } from "../errors.js";
import { ALGORITHMS, type WebCryptoAlgorithm } from "../jose/algorithms.js";
import { namesOf } from "../jose/find-algorithm.js";
import type { NodeKey } from "./node-key.js";

/** The members of a key's `algorithm` that choose the JWS algorithm. */
interface KeyAlgorithm {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash?: { readonly name: string };
}

/**
 * Returns a private key that signs by WebCrypto, since Node deprecates `KeyObject.from` for a key that isn't extractable
 * (DEP0204). WebCrypto also enforces the key's usages and algorithm.
 *
 * @throws {SignerError} With code `wrong-key` if the key can't sign, or no JWS algorithm is the key's.
 */
export function cryptoKey(key: webcrypto.CryptoKey): NodeKey {
  const { type, extractable, usages } = key;
  const description = describeAlgorithm(key.algorithm);
  if (type !== "private")
    throw new SignerError("wrong-key", `This CryptoKey is a ${type} key. Only a private key can sign.`);
  if (!usages.includes("sign"))
    throw new SignerError("wrong-key", `This CryptoKey (${description}) lacks the usage sign. Its usages: ${usages}.`);
  const row = ALGORITHMS.find(({ webCrypto }) => describeAlgorithm(keyAlgorithm(webCrypto)) === description);
  if (row === undefined) {
    const message = `This CryptoKey is for ${description}. Use a key for ${namesOf(ALGORITHMS)}.`;
    throw new SignerError("wrong-key", message);
  }
  const evidence = { object: "CryptoKey", algorithm: description, extractable, usages: [...usages] };
  return {
    allowed: [row.alg],
    keyType: row.keyType,
    facts: { protection: "unknown", exportable: extractable || "unknown", evidence },
    derivePublicKey: () => derivePublicKey(key),
    sign: async (message) => ({
      signature: new Uint8Array(await webcrypto.subtle.sign(row.webCrypto, key, message)),
      form: "raw",
    }),
  };
}

/** Returns the members that belong to a key. The hash of ECDSA belongs to a signature. */
function keyAlgorithm({ name, namedCurve, hash }: WebCryptoAlgorithm): KeyAlgorithm {
  if (namedCurve !== undefined) return { name, namedCurve };
  return hash === undefined ? { name } : { name, hash: { name: hash } };
}

/** Returns `ECDSA P-256`, `RSA-PSS SHA-256` or `Ed25519`. */
function describeAlgorithm({ name, namedCurve, hash }: KeyAlgorithm): string {
  return [name, namedCurve, hash?.name].filter((part) => part !== undefined).join(" ");
}

/** Newer than the types of the oldest supported release of Node. */
interface NewerSubtle {
  getPublicKey?(key: webcrypto.CryptoKey, usages: string[]): Promise<webcrypto.CryptoKey>;
}

async function derivePublicKey(key: webcrypto.CryptoKey): Promise<KeyObject> {
  const subtle: NewerSubtle & webcrypto.SubtleCrypto = webcrypto.subtle;
  if (key.extractable || subtle.getPublicKey === undefined) return createPublicKey(KeyObject.from(key));
  return KeyObject.from(await subtle.getPublicKey(key, ["verify"]));
}
