/** The words that @peculiar/x509 has for each algorithm: those of WebCrypto, from which it chooses the OIDs. */
import type { AlgorithmName } from "../index.js";

/** An algorithm of WebCrypto, for a key and for its signatures. */
export interface WebAlgorithm {
  readonly name: string;
  readonly namedCurve?: string;
  readonly hash?: string;
  /** Bytes. */
  readonly saltLength?: number;
}

const PKCS1 = "RSASSA-PKCS1-v1_5";
const PSS = "RSA-PSS";

/** RFC 5758 §3.2, RFC 4055, RFC 8410 and RFC 9881. */
export const WEB_ALGORITHMS: Readonly<Record<AlgorithmName, WebAlgorithm>> = {
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" },
  ES512: { name: "ECDSA", namedCurve: "P-521", hash: "SHA-512" },
  Ed25519: { name: "Ed25519" },
  RS256: { name: PKCS1, hash: "SHA-256" },
  RS384: { name: PKCS1, hash: "SHA-384" },
  RS512: { name: PKCS1, hash: "SHA-512" },
  PS256: { name: PSS, hash: "SHA-256", saltLength: 32 },
  PS384: { name: PSS, hash: "SHA-384", saltLength: 48 },
  PS512: { name: PSS, hash: "SHA-512", saltLength: 64 },
  "ML-DSA-44": { name: "ML-DSA-44" },
  "ML-DSA-65": { name: "ML-DSA-65" },
  "ML-DSA-87": { name: "ML-DSA-87" },
};
