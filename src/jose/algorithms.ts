/**
 * The one table of JWS algorithms (RFC 7518 §3.1, RFC 9864, RFC 9964). Each row says all that the code needs to know
 * about an algorithm, so that adding one touches this file, and one row in each key store that can use it.
 */
import { constants, type SigningOptions } from "node:crypto";

/** A JWS algorithm that Hardproof can sign with. */
export type AlgorithmName =
  | "ES256"
  | "ES384"
  | "ES512"
  | "Ed25519"
  | "RS256"
  | "RS384"
  | "RS512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "ML-DSA-44"
  | "ML-DSA-65"
  | "ML-DSA-87";

interface Row {
  /** The name in a JWS header and in a JWK. */
  readonly alg: AlgorithmName;
  /** The name that a server uses which doesn't know the current one (RFC 9864 §2.2). */
  readonly olderName?: string;
  /** The key type in a JWK (RFC 7517 §4.1). */
  readonly kty: string;
  /** `asymmetricKeyType` in `node:crypto`. */
  readonly keyType: string;
  /** The key that the algorithm needs, for errors. */
  readonly needs: string;
  /**
   * The hash of the message in `node:crypto`, if the algorithm signs a digest. Otherwise the algorithm signs the
   * message itself.
   */
  readonly hash?: "sha256" | "sha384" | "sha512";
  /** RSA: options of `sign` and `verify` in `node:crypto`. */
  readonly options?: SigningOptions;
  /** The `algorithm` argument of `importKey`, `sign` and `verify` in WebCrypto. */
  readonly webCrypto: WebCryptoAlgorithm;
}

/** An algorithm by its WebCrypto names. Each function of WebCrypto ignores the members that it doesn't need. */
export interface WebCryptoAlgorithm {
  /** Such as `ECDSA`. */
  readonly name: string;
  /** ECDSA: the curve, which belongs to the key. */
  readonly namedCurve?: string;
  /** ECDSA: the hash, which belongs to a signature. RSA: the hash, which belongs to the key. Such as `SHA-256`. */
  readonly hash?: string;
  /** RSA-PSS: bytes of the salt. */
  readonly saltLength?: number;
}

/** ECDSA (RFC 7518 §3.4). A signature is r‖s. */
export interface EcAlgorithm extends Row {
  readonly kty: "EC";
  readonly keyType: "ec";
  /** The curve in a JWK. */
  readonly crv: string;
  /** The curve in `node:crypto`. */
  readonly namedCurve: string;
  readonly hash: NonNullable<Row["hash"]>;
  /** Bytes of a coordinate of the public key, and of each half of a signature. */
  readonly coordinateBytes: number;
  /** Bytes of a signature. */
  readonly signatureBytes: number;
  /** The order n of the curve, in `coordinateBytes`: r and s are below it. */
  readonly order: Buffer;
}

/** RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 §3.3, §3.5). A signature is as long as the modulus. */
export interface RsaAlgorithm extends Row {
  readonly kty: "RSA";
  readonly keyType: "rsa";
  readonly hash: NonNullable<Row["hash"]>;
  /** Bits of the shortest modulus that is allowed (RFC 7518 §3.3, §3.5). */
  readonly minimumModulus: number;
  /** Bits of the modulus of a new key. */
  readonly newModulus: number;
  /** Bytes of the salt; only for RSASSA-PSS. MGF1 uses the same hash. */
  readonly saltLength?: number;
}

/** EdDSA (RFC 8037 §3.1, RFC 9864 §2.2). */
export interface OkpAlgorithm extends Row {
  readonly kty: "OKP";
  readonly keyType: "ed25519";
  /** The curve in a JWK. */
  readonly crv: "Ed25519";
  /** Bytes of a signature. */
  readonly signatureBytes: number;
}

/** ML-DSA (RFC 9964). */
export interface AkpAlgorithm extends Row {
  readonly kty: "AKP";
  /** Bytes of the JWK member `pub`. */
  readonly publicKeyBytes: number;
  /** Bytes of a signature. */
  readonly signatureBytes: number;
}

/** One row of the table. */
export type Algorithm = EcAlgorithm | RsaAlgorithm | OkpAlgorithm | AkpAlgorithm;

/** A key type (RFC 7517 §4.1). */
export type KeyType = Algorithm["kty"];

/**
 * The required members of a public JWK of each type, in the lexicographic order of a thumbprint (RFC 7638 §3.2,
 * RFC 8037 §2, RFC 9964).
 */
export const PUBLIC_MEMBERS = {
  AKP: ["alg", "kty", "pub"],
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
  RSA: ["e", "kty", "n"],
} as const;

export const ES256 = ecdsa("ES256", "P-256", {
  namedCurve: "prime256v1",
  hash: "sha256",
  order: "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
});

const Ed25519: OkpAlgorithm = {
  alg: "Ed25519",
  olderName: "EdDSA",
  needs: "an Ed25519 key",
  kty: "OKP",
  keyType: "ed25519",
  crv: "Ed25519",
  signatureBytes: 64,
  webCrypto: { name: "Ed25519" },
};

const RSA = {
  kty: "RSA",
  keyType: "rsa",
  minimumModulus: 2048,
  newModulus: 3072,
  needs: "an RSA key of at least 2048 bits",
} as const;

/** The rows, in the order in which errors list them. */
export const ALGORITHMS: readonly Algorithm[] = [
  ES256,
  ecdsa("ES384", "P-384", {
    namedCurve: "secp384r1",
    hash: "sha384",
    order: `${"ff".repeat(24)}c7634d81f4372ddf581a0db248b0a77aecec196accc52973`,
  }),
  ecdsa("ES512", "P-521", {
    namedCurve: "secp521r1",
    hash: "sha512",
    order: `01${"ff".repeat(32)}fa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409`,
  }),
  Ed25519,
  pkcs1("RS256", "sha256"),
  pkcs1("RS384", "sha384"),
  pkcs1("RS512", "sha512"),
  pss("PS256", "sha256", 32),
  pss("PS384", "sha384", 48),
  pss("PS512", "sha512", 64),
  mlDsa("ML-DSA-44", { publicKeyBytes: 1312, signatureBytes: 2420 }),
  mlDsa("ML-DSA-65", { publicKeyBytes: 1952, signatureBytes: 3309 }),
  mlDsa("ML-DSA-87", { publicKeyBytes: 2592, signatureBytes: 4627 }),
];

/** The names of all algorithms. Whether a key can be made for one depends on its store, and for ML-DSA on Node too. */
export const ALGORITHM_NAMES: readonly AlgorithmName[] = ALGORITHMS.map(({ alg }) => alg);

function ecdsa(
  alg: AlgorithmName,
  crv: string,
  { namedCurve, hash, order: hex }: { namedCurve: string; hash: EcAlgorithm["hash"]; order: string },
): EcAlgorithm {
  const order = Buffer.from(hex, "hex");
  return {
    alg,
    needs: `an EC key on ${crv}`,
    kty: "EC",
    keyType: "ec",
    crv,
    namedCurve,
    hash,
    coordinateBytes: order.length,
    signatureBytes: 2 * order.length,
    order,
    webCrypto: { name: "ECDSA", namedCurve: crv, hash: webCryptoHash(hash) },
  };
}

function pkcs1(alg: AlgorithmName, hash: RsaAlgorithm["hash"]): RsaAlgorithm {
  const webCrypto = { name: "RSASSA-PKCS1-v1_5", hash: webCryptoHash(hash) };
  return { ...RSA, alg, hash, options: { padding: constants.RSA_PKCS1_PADDING }, webCrypto };
}

function pss(alg: AlgorithmName, hash: RsaAlgorithm["hash"], saltLength: number): RsaAlgorithm {
  const options = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return {
    ...RSA,
    alg,
    hash,
    saltLength,
    options,
    webCrypto: { name: "RSA-PSS", hash: webCryptoHash(hash), saltLength },
  };
}

function mlDsa(
  alg: AlgorithmName,
  { publicKeyBytes, signatureBytes }: Pick<AkpAlgorithm, "publicKeyBytes" | "signatureBytes">,
): AkpAlgorithm {
  const keyType = alg.toLowerCase();
  const webCrypto = { name: alg };
  return { alg, needs: `an ${alg} key`, kty: "AKP", keyType, publicKeyBytes, signatureBytes, webCrypto };
}

/** Returns `SHA-256` for `sha256`. */
function webCryptoHash(hash: string): string {
  return hash.replace("sha", "SHA-");
}
