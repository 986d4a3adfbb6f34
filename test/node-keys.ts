/** Private keys of Node for every algorithm: `KeyObject`s, and the `CryptoKey`s of the same keys. */
import { generateKeyPairSync, type KeyObject, webcrypto } from "node:crypto";
import type { AlgorithmName } from "hardproof";

const WEBCRYPTO_NAMES: Readonly<Record<string, string>> = { RS: "RSASSA-PKCS1-v1_5", PS: "RSA-PSS" };
const CURVES: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

/** Why this version of Node can't open a private key by the URL of an OpenSSL STORE loader. */
export const noStore =
  major > 26 || (major === 26 && minor >= 7) || (major === 24 && minor >= 21)
    ? undefined
    : `Node ${process.versions.node} doesn't open private keys by URL`;

let rsa: KeyObject | undefined;

/** Returns a new key. All RSA algorithms share one key, because generating one takes long. */
export function privateKeyFor(algorithm: AlgorithmName): KeyObject {
  if (/^[RP]S/.test(algorithm)) {
    rsa ??= generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    return rsa;
  }
  const namedCurve = CURVES[algorithm];
  if (namedCurve !== undefined) return generateKeyPairSync("ec", { namedCurve }).privateKey;
  // The types of the oldest supported release of Node don't have ML-DSA.
  return generateKeyPairSync(algorithm.toLowerCase() as "ed25519").privateKey;
}

/** The parameters of `importKey` and `generateKey` of WebCrypto, written independently of the package's table. */
function webCryptoAlgorithm(algorithm: AlgorithmName): { name: string; namedCurve?: string; hash?: string } {
  const namedCurve = CURVES[algorithm];
  if (namedCurve !== undefined) return { name: "ECDSA", namedCurve };
  const name = WEBCRYPTO_NAMES[algorithm.slice(0, 2)];
  return name === undefined ? { name: algorithm } : { name, hash: `SHA-${algorithm.slice(2)}` };
}

/** Imports a private key into WebCrypto. */
export function toCryptoKey(
  key: KeyObject,
  algorithm: AlgorithmName,
  { extractable = false } = {},
): Promise<webcrypto.CryptoKey> {
  const pkcs8 = key.export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", pkcs8, webCryptoAlgorithm(algorithm), extractable, ["sign"]);
}

/** Returns a private key as PKCS#8 in PEM. */
export function pem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}
