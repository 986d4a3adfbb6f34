/** ML-DSA keys (FIPS 204) for emulators. `node:crypto` can't sign with an external μ, and Node 20 lacks ML-DSA. */
import { generateKeyPairSync } from "node:crypto";
import { createRequire } from "node:module";

/** A private ML-DSA key. */
export interface MlDsaKey {
  /** SubjectPublicKeyInfo in DER (RFC 9881 §4). */
  readonly spki: Buffer;
  /** Signs a message, with an empty context. */
  sign(message: Uint8Array): Uint8Array;
  /** Signs the message representative μ (FIPS 204 §6.2), 64 bytes. */
  signMu(mu: Uint8Array): Uint8Array;
}

/** Whether this version of Node can verify ML-DSA, and so whether Hardproof can use a key. */
export const hasMlDsa = nodeHasMlDsa();

function nodeHasMlDsa(): boolean {
  try {
    // The types of the oldest supported release of Node don't have ML-DSA.
    return generateKeyPairSync("ml-dsa-44" as "ed25519") !== undefined;
  } catch {
    return false;
  }
}

/** The last byte of the OID id-ml-dsa-… (RFC 9881 §2). */
const PARAMETER_SETS = new Map([
  ["44", { name: "ml_dsa44", oid: 0x11 }],
  ["65", { name: "ml_dsa65", oid: 0x12 }],
  ["87", { name: "ml_dsa87", oid: 0x13 }],
] as const);

/**
 * Generates a key.
 *
 * @param name - `44`, `65` or `87`.
 */
export function generateMlDsa(name: string): MlDsaKey {
  const parameters = PARAMETER_SETS.get(name as "44");
  if (!parameters) throw new Error(`There isn't a parameter set ML-DSA-${name}.`);
  const { oid } = parameters;
  const mlDsa = loadMlDsa()[parameters.name];
  const { publicKey, secretKey } = mlDsa.keygen();
  return {
    spki: toSpki(publicKey, oid),
    sign: (message) => mlDsa.sign(message, secretKey),
    signMu: (mu) => mlDsa.internal.sign(mu, secretKey, { externalMu: true }),
  };
}

/** Only a test with an ML-DSA key needs the package. */
function loadMlDsa(): typeof import("@noble/post-quantum/ml-dsa.js") {
  try {
    return createRequire(import.meta.url)("@noble/post-quantum/ml-dsa.js");
  } catch (cause) {
    const remedy = "Install it: npm install --save-dev @noble/post-quantum";
    throw new Error(`An ML-DSA key in an emulator needs the package @noble/post-quantum. ${remedy}`, { cause });
  }
}

/** Every public key has 1,312 to 2,592 bytes, so both lengths need two bytes. */
function toSpki(publicKey: Uint8Array, oid: number): Buffer {
  const algorithm = Buffer.of(0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, oid);
  const bitString = Buffer.concat([longHeader(0x03, 1 + publicKey.length), Buffer.of(0), publicKey]);
  return Buffer.concat([longHeader(0x30, algorithm.length + bitString.length), algorithm, bitString]);
}

function longHeader(tag: number, length: number): Buffer {
  return Buffer.of(tag, 0x82, length >> 8, length & 0xff);
}
