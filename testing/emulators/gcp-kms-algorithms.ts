/** The asymmetric algorithms of the Cloud KMS emulator (`CryptoKeyVersionAlgorithm`), with real key pairs. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { signDigest } from "./ecdsa-digest.js";
import { generateMlDsa } from "./ml-dsa.js";
import { type RsaHash, signPkcs1, signPss } from "./rsa-digest.js";
import { nextRsaKey } from "./rsa-keys.js";

/** A key pair. */
export interface KeyPair {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Buffer;
  /** Signs a digest, or the message if the algorithm's `input` is `data`. Missing for what no test signs with. */
  sign?(input: Uint8Array): Uint8Array;
}

/** What a version with this algorithm signs, and how it is generated. */
export interface AsymmetricAlgorithm {
  /** The field of `Digest` that the algorithm takes, or `data` if it takes the message itself. */
  readonly input: RsaHash | "data" | "externalMu";
  /**
   * For post-quantum keys, the formats that a request of the public key can choose. It must choose one. Tink's Cloud KMS
   * integration says which there are: ML-DSA keys as PEM as well, SLH-DSA keys only as NIST_PQC.
   */
  readonly formats?: readonly ("PEM" | "NIST_PQC")[];
  generate(): KeyPair;
}

const ecdsa = (namedCurve: string, input: RsaHash): AsymmetricAlgorithm => ({
  input,
  generate: () => toPair(generateKeyPairSync("ec", { namedCurve }).privateKey, signDigest),
});
const pss = (bits: number, input: RsaHash): AsymmetricAlgorithm => ({
  input,
  generate: () => toPair(nextRsaKey(bits), (key, digest) => signPss(key, input, digest)),
});
const pkcs1 = (bits: number, input: RsaHash): AsymmetricAlgorithm => ({
  input,
  generate: () => toPair(nextRsaKey(bits), (key, digest) => signPkcs1(key, input, digest)),
});
const mlDsa = (set: "44" | "65" | "87"): AsymmetricAlgorithm => ({
  input: "data",
  formats: ["PEM", "NIST_PQC"],
  generate: () => generateMlDsa(set),
});
const verifyOnly = ({ generate, ...algorithm }: AsymmetricAlgorithm): AsymmetricAlgorithm => ({
  ...algorithm,
  generate: () => ({ spki: generate().spki }),
});

/** The algorithms that the tests need. Those without `sign` are there for their public keys. */
export const ASYMMETRIC_ALGORITHMS: Readonly<Record<string, AsymmetricAlgorithm>> = {
  EC_SIGN_P256_SHA256: ecdsa("P-256", "sha256"),
  EC_SIGN_P384_SHA384: ecdsa("P-384", "sha384"),
  EC_SIGN_SECP256K1_SHA256: verifyOnly(ecdsa("secp256k1", "sha256")),
  EC_SIGN_ED25519: {
    input: "data",
    generate: () => toPair(generateKeyPairSync("ed25519").privateKey, (key, data) => sign(null, data, key)),
  },
  RSA_SIGN_PSS_2048_SHA256: pss(2048, "sha256"),
  RSA_SIGN_PSS_3072_SHA256: pss(3072, "sha256"),
  RSA_SIGN_PSS_4096_SHA256: pss(4096, "sha256"),
  RSA_SIGN_PSS_4096_SHA512: pss(4096, "sha512"),
  RSA_SIGN_PKCS1_2048_SHA256: pkcs1(2048, "sha256"),
  RSA_SIGN_PKCS1_3072_SHA256: pkcs1(3072, "sha256"),
  RSA_SIGN_PKCS1_4096_SHA256: pkcs1(4096, "sha256"),
  RSA_SIGN_PKCS1_4096_SHA512: pkcs1(4096, "sha512"),
  RSA_SIGN_RAW_PKCS1_2048: verifyOnly({ ...pkcs1(2048, "sha256"), input: "data" }),
  RSA_DECRYPT_OAEP_2048_SHA256: verifyOnly(pkcs1(2048, "sha256")),
  PQ_SIGN_ML_DSA_44: mlDsa("44"),
  PQ_SIGN_ML_DSA_65: mlDsa("65"),
  PQ_SIGN_ML_DSA_87: mlDsa("87"),
  PQ_SIGN_ML_DSA_65_EXTERNAL_MU: verifyOnly({ ...mlDsa("65"), input: "externalMu" }),
  PQ_SIGN_SLH_DSA_SHA2_128S: { input: "data", formats: ["NIST_PQC"], generate: () => ({ spki: randomBytes(50) }) },
};

function toPair(privateKey: KeyObject, signWith: (key: KeyObject, input: Uint8Array) => Uint8Array): KeyPair {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return { spki, sign: (input) => signWith(privateKey, input) };
}
