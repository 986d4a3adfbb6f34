/** The asymmetric algorithms of the Cloud KMS emulator (`CryptoKeyVersionAlgorithm`), with real key pairs. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { signDigest } from "./ecdsa-digest.js";
import { type RsaHash, signPkcs1, signPss } from "./rsa-digest.js";

/** A key pair as the emulator stores it. `privateKey` is missing if this Node can't sign with it. */
export interface KeyPair {
  readonly privateKey?: KeyObject;
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Buffer;
}

/** How a version with this algorithm is generated, and what it signs. */
export interface AsymmetricAlgorithm {
  /** The field of `Digest` that the algorithm takes, or `data` if it takes the message itself. */
  readonly input: RsaHash | "data" | "externalMu";
  /**
   * For post-quantum keys, the formats that a request of the public key can choose. It must choose one. Tink's Cloud KMS
   * integration says which there are: ML-DSA keys as PEM as well, SLH-DSA keys only as NIST_PQC.
   */
  readonly formats?: readonly ("PEM" | "NIST_PQC")[];
  generate(): KeyPair;
  /** Signs a digest, or the message if `input` is `data`. Missing for what no test signs with. */
  sign?(key: KeyObject, input: Uint8Array): Uint8Array;
}

/** RSA key pairs are shared by all versions, two of each size in turn, since generating one takes seconds. */
const rsaPairs = new Map<number, KeyPair[]>();

const ecdsa = (namedCurve: string, input: RsaHash): AsymmetricAlgorithm => ({
  input,
  generate: () => toPair(generateKeyPairSync("ec", { namedCurve }).privateKey),
  sign: signDigest,
});
const pss = (bits: number, input: RsaHash): AsymmetricAlgorithm => ({
  input,
  generate: () => nextRsaPair(bits),
  sign: (key, digest) => signPss(key, input, digest),
});
const pkcs1 = (bits: number, input: RsaHash): AsymmetricAlgorithm => ({
  input,
  generate: () => nextRsaPair(bits),
  sign: (key, digest) => signPkcs1(key, input, digest),
});
const mlDsa = (set: MlDsaSet): AsymmetricAlgorithm => ({
  input: "data",
  formats: ["PEM", "NIST_PQC"],
  generate: () => mlDsaPair(set),
  sign: (key, data) => sign(null, data, key),
});

/** The algorithms that the tests need. Those without `sign` are there for their public keys. */
export const ASYMMETRIC_ALGORITHMS: Readonly<Record<string, AsymmetricAlgorithm>> = {
  EC_SIGN_P256_SHA256: ecdsa("P-256", "sha256"),
  EC_SIGN_P384_SHA384: ecdsa("P-384", "sha384"),
  EC_SIGN_SECP256K1_SHA256: { input: "sha256", generate: ecdsa("secp256k1", "sha256").generate },
  EC_SIGN_ED25519: {
    input: "data",
    generate: () => toPair(generateKeyPairSync("ed25519").privateKey),
    sign: (key, data) => sign(null, data, key),
  },
  RSA_SIGN_PSS_2048_SHA256: pss(2048, "sha256"),
  RSA_SIGN_PSS_3072_SHA256: pss(3072, "sha256"),
  RSA_SIGN_PSS_4096_SHA256: pss(4096, "sha256"),
  RSA_SIGN_PSS_4096_SHA512: pss(4096, "sha512"),
  RSA_SIGN_PKCS1_2048_SHA256: pkcs1(2048, "sha256"),
  RSA_SIGN_PKCS1_3072_SHA256: pkcs1(3072, "sha256"),
  RSA_SIGN_PKCS1_4096_SHA256: pkcs1(4096, "sha256"),
  RSA_SIGN_PKCS1_4096_SHA512: pkcs1(4096, "sha512"),
  RSA_SIGN_RAW_PKCS1_2048: { input: "data", generate: () => nextRsaPair(2048) },
  RSA_DECRYPT_OAEP_2048_SHA256: { input: "data", generate: () => nextRsaPair(2048) },
  PQ_SIGN_ML_DSA_44: mlDsa(44),
  PQ_SIGN_ML_DSA_65: mlDsa(65),
  PQ_SIGN_ML_DSA_87: mlDsa(87),
  PQ_SIGN_ML_DSA_65_EXTERNAL_MU: { input: "externalMu", formats: ["PEM", "NIST_PQC"], generate: () => mlDsaPair(65) },
  PQ_SIGN_SLH_DSA_SHA2_128S: { input: "data", formats: ["NIST_PQC"], generate: () => ({ spki: randomBytes(50) }) },
};

function toPair(privateKey: KeyObject): KeyPair {
  return { privateKey, spki: createPublicKey(privateKey).export({ type: "spki", format: "der" }) };
}

function nextRsaPair(modulusLength: number): KeyPair {
  const pairs = rsaPairs.get(modulusLength) ?? [];
  const pair = pairs.length < 2 ? toPair(generateKeyPairSync("rsa", { modulusLength }).privateKey) : pairs.shift();
  if (pair === undefined) throw new Error("The list of RSA key pairs can't be empty here.");
  rsaPairs.set(modulusLength, [...pairs, pair]);
  return pair;
}

type MlDsaSet = 44 | 65 | 87;

/** The object identifier's last byte (RFC 9881 §2), and the bytes of the public key (FIPS 204 table 2). */
const ML_DSA = { 44: [0x11, 1312], 65: [0x12, 1952], 87: [0x13, 2592] } as const;

/** Before Node 24 there is only a public key of the right form, which no signature verifies with. */
function mlDsaPair(set: MlDsaSet): KeyPair {
  try {
    const generate = generateKeyPairSync as unknown as (type: string) => { privateKey: KeyObject };
    return toPair(generate(`ml-dsa-${set}`).privateKey);
  } catch {
    const [oid, bytes] = ML_DSA[set];
    return { spki: Buffer.concat([spkiHeader(oid, bytes), randomBytes(bytes)]) };
  }
}

/** SubjectPublicKeyInfo up to the key itself (RFC 9881 §4): 22 bytes. */
function spkiHeader(oid: number, bytes: number): Buffer {
  const header = Buffer.from("30820000300b06096086480165030403000382000000", "hex");
  header.writeUInt16BE(bytes + 18, 2);
  header[16] = oid;
  header.writeUInt16BE(bytes + 1, 19);
  return header;
}
