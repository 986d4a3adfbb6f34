/** The key material in the AWS KMS emulator: real keys, which sign as the service does. */
import { createPublicKey, generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import type { SignRequest } from "./aws-kms-specs.js";
import type { KeySpec } from "./aws-kms-types.js";
import { signDigest } from "./ecdsa-digest.js";
import { generateMlDsa } from "./ml-dsa.js";
import { type RsaHash, signPkcs1, signPss } from "./rsa-digest.js";
import { nextRsaKey } from "./rsa-keys.js";

/** An asymmetric key. */
export interface KeyMaterial {
  /** SubjectPublicKeyInfo in DER. */
  readonly spki: Buffer;
  /** Signs a request that has been checked. */
  sign(request: SignRequest): Uint8Array;
}

/** Generates a key. Returns undefined for symmetric and HMAC keys. */
export function generateKeyMaterial(spec: KeySpec): KeyMaterial | undefined {
  if (spec === "SYMMETRIC_DEFAULT" || spec.startsWith("HMAC_")) return undefined;
  if (spec.startsWith("RSA_")) return rsaMaterial(Number(spec.slice(4)));
  if (spec.startsWith("ML_DSA_")) return mlDsaMaterial(spec);
  const curve = CURVES[spec];
  // Callers must reject an ML-KEM key by its spec, so that an Ed25519 key can stand in for it.
  return curve === undefined ? ed25519Material() : ecdsaMaterial(curve);
}

const CURVES: Partial<Record<KeySpec, string>> = {
  ECC_NIST_P256: "prime256v1",
  ECC_NIST_P384: "secp384r1",
  ECC_NIST_P521: "secp521r1",
  ECC_SECG_P256K1: "secp256k1",
  SM2: "SM2",
};

function ecdsaMaterial(namedCurve: string): KeyMaterial {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve });
  return { spki: spkiOf(publicKey), sign: (request) => signDigest(privateKey, digestOf(request)) };
}

function rsaMaterial(modulusLength: number): KeyMaterial {
  const privateKey = nextRsaKey(modulusLength);
  return {
    spki: spkiOf(createPublicKey(privateKey)),
    sign: (request) => {
      const signRsa = request.algorithm.startsWith("RSASSA_PSS_") ? signPss : signPkcs1;
      return signRsa(privateKey, hashOf(request), digestOf(request));
    },
  };
}

function ed25519Material(): KeyMaterial {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return {
    spki: spkiOf(publicKey),
    sign: ({ algorithm, message }) => {
      if (algorithm !== "ED25519_SHA_512") throw new Error(`The emulator doesn't sign with ${algorithm}.`);
      return sign(null, message, privateKey);
    },
  };
}

function mlDsaMaterial(spec: KeySpec): KeyMaterial {
  const key = generateMlDsa(spec.slice(-2));
  return {
    spki: key.spki,
    sign: ({ messageType, message }) => (messageType === "EXTERNAL_MU" ? key.signMu(message) : key.sign(message)),
  };
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

function digestOf(request: SignRequest): Buffer {
  return request.messageType === "DIGEST" ? request.message : hash(hashOf(request), request.message, "buffer");
}

/** The name of a signing algorithm ends in that of its hash. */
function hashOf({ algorithm }: SignRequest): RsaHash {
  const bits = algorithm.slice(-3);
  if (bits === "256" || bits === "384" || bits === "512") return `sha${bits}`;
  throw new Error(`The emulator doesn't know the hash of ${algorithm}.`);
}
