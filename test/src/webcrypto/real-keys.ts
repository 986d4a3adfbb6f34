/** Signers whose private key WebCrypto can import, so that a test can compare a pair with the real key. */
import { createPrivateKey, generateKeyPairSync, webcrypto } from "node:crypto";
import type { AlgorithmName } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { testedAlgorithms } from "../../tested-algorithms.js";

const { subtle } = webcrypto;

/** The algorithms that this version of Node has. */
export const algorithms = testedAlgorithms("memory");

/** A signer, and its private key as WebCrypto imports it. */
export interface RealKey {
  readonly signer: MemorySigner;
  readonly privateKey: webcrypto.CryptoKey;
}

/** Generates a key. RSA keys have 2048 bits, because longer ones take long. */
export async function realKey(algorithm: AlgorithmName): Promise<RealKey> {
  const signer = /^[PR]S/.test(algorithm)
    ? rsaSigner(algorithm)
    : MemorySigner.generate({ algorithm, extractable: true });
  const pkcs8 = createPrivateKey(signer.exportPem()).export({ type: "pkcs8", format: "der" });
  return { signer, privateKey: await subtle.importKey("pkcs8", pkcs8, importParameters[algorithm], false, ["sign"]) };
}

/** Returns a signer for a new RSA key. */
export function rsaSigner(
  algorithm: AlgorithmName,
  { modulusLength = 2048, publicExponent = 65_537 } = {},
): MemorySigner {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength, publicExponent });
  return MemorySigner.fromPem(privateKey.export({ type: "pkcs8", format: "pem" }).toString(), {
    algorithm,
    extractable: true,
  });
}

/** The `algorithm` argument of `sign` for each algorithm, written down independently of the sources. */
export const signParameters: Record<AlgorithmName, webcrypto.EcdsaParams | webcrypto.RsaPssParams | { name: string }> =
  {
    ES256: { name: "ECDSA", hash: "SHA-256" },
    ES384: { name: "ECDSA", hash: "SHA-384" },
    ES512: { name: "ECDSA", hash: "SHA-512" },
    Ed25519: { name: "Ed25519" },
    RS256: { name: "RSASSA-PKCS1-v1_5" },
    RS384: { name: "RSASSA-PKCS1-v1_5" },
    RS512: { name: "RSASSA-PKCS1-v1_5" },
    PS256: { name: "RSA-PSS", saltLength: 32 },
    PS384: { name: "RSA-PSS", saltLength: 48 },
    PS512: { name: "RSA-PSS", saltLength: 64 },
    "ML-DSA-44": { name: "ML-DSA-44" },
    "ML-DSA-65": { name: "ML-DSA-65" },
    "ML-DSA-87": { name: "ML-DSA-87" },
  };

const importParameters: Record<AlgorithmName, { name: string; namedCurve?: string; hash?: string }> = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384" },
  ES512: { name: "ECDSA", namedCurve: "P-521" },
  Ed25519: { name: "Ed25519" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  RS384: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384" },
  RS512: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
  PS384: { name: "RSA-PSS", hash: "SHA-384" },
  PS512: { name: "RSA-PSS", hash: "SHA-512" },
  "ML-DSA-44": { name: "ML-DSA-44" },
  "ML-DSA-65": { name: "ML-DSA-65" },
  "ML-DSA-87": { name: "ML-DSA-87" },
};

/** A call of `crypto.subtle.sign` with any arguments. */
export function sign(...args: unknown[]): Promise<ArrayBuffer> {
  return Reflect.apply(subtle.sign, subtle, args);
}

/** Returns what can be compared of the outcome of two calls: the error, or the length of the signature. */
export async function outcome(call: () => Promise<ArrayBuffer>): Promise<object> {
  let result: Promise<ArrayBuffer>;
  try {
    result = call();
  } catch (error) {
    return { threw: error };
  }
  return result.then(
    (signature) => ({ type: signature.constructor.name, byteLength: signature.byteLength }),
    (error) => ({ type: error.constructor.name, name: error.name, code: error.code, message: error.message }),
  );
}
