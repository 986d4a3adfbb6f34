/** How PKCS #11 names each JWS algorithm: one row for each. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { type Attribute, type Mechanism, ulong } from "./binding.js";
import {
  CKA_EC_PARAMS,
  CKA_MODULUS_BITS,
  CKA_PARAMETER_SET,
  CKA_PUBLIC_EXPONENT,
  CKG_MGF1_SHA256,
  CKG_MGF1_SHA384,
  CKG_MGF1_SHA512,
  CKK_EC,
  CKK_EC_EDWARDS,
  CKK_ML_DSA,
  CKK_RSA,
  CKM_EC_EDWARDS_KEY_PAIR_GEN,
  CKM_EC_KEY_PAIR_GEN,
  CKM_ECDSA,
  CKM_EDDSA,
  CKM_ML_DSA,
  CKM_ML_DSA_KEY_PAIR_GEN,
  CKM_RSA_PKCS,
  CKM_RSA_PKCS_KEY_PAIR_GEN,
  CKM_RSA_PKCS_PSS,
  CKM_SHA256,
  CKM_SHA384,
  CKM_SHA512,
} from "./constants.js";

/** PKCS #11's words for a JWS algorithm. */
export interface TokenAlgorithm {
  /** `CKA_KEY_TYPE`. */
  readonly keyType: number;
  /** The attribute that names the curve or parameter set of a key. */
  readonly parameters?: KeyParameters;
  /** The mechanism that generates a key pair. */
  readonly generation: Mechanism;
  /** The attributes that a new public key needs. */
  readonly publicTemplate: readonly Attribute[];
  /** The mechanism that signs, and its name for errors. */
  readonly signing: Mechanism;
  readonly name: string;
  /** What precedes the digest in the data to sign: the DER of a `DigestInfo` without its last 32 to 64 bytes. */
  readonly prefix?: Buffer;
}

/** How tokens write a curve or parameter set. */
interface KeyParameters {
  /** The type of the attribute. */
  readonly type: number;
  /** The first one is that of a new key. */
  readonly spellings: readonly [Buffer, ...Buffer[]];
  /** The x coordinate of the curve's base point, by which explicit parameters are recognised. */
  readonly baseX?: Buffer;
}

/** Returns whether a token's attribute has one of the spellings, or is the curve's explicit parameters (RFC 3279 §2.3.5). */
export function isSpelling({ spellings, baseX }: KeyParameters, found: Buffer): boolean {
  if (spellings.some((spelling) => spelling.equals(found))) return true;
  return baseX !== undefined && isExplicit(found) && found.includes(baseX);
}

/** Returns whether a curve is written as its parameters (`SEQUENCE`), not by its name. */
export function isExplicit(parameters: Buffer): boolean {
  return parameters[0] === 0x30;
}

const GENERATE_EC = { type: CKM_EC_KEY_PAIR_GEN };
const GENERATE_EDWARDS = { type: CKM_EC_EDWARDS_KEY_PAIR_GEN };
const GENERATE_RSA = { type: CKM_RSA_PKCS_KEY_PAIR_GEN };
const GENERATE_ML_DSA = { type: CKM_ML_DSA_KEY_PAIR_GEN };
const ECDSA = { type: CKM_ECDSA };
const EDDSA = { type: CKM_EDDSA };
const RSA_PKCS = { type: CKM_RSA_PKCS };
const ML_DSA = { type: CKM_ML_DSA };

/** Bits of a new RSA key, and its exponent 65537. */
const RSA_TEMPLATE = [
  { type: CKA_MODULUS_BITS, value: ulong(3072) },
  { type: CKA_PUBLIC_EXPONENT, value: Buffer.of(1, 0, 1) },
];

/** The x coordinates of the base points (SP 800-186 §3.2.1). */
const P256_X = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
const P384_X = "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7";
const P521_X =
  "c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66";

/** Curves are object identifiers in DER (RFC 5480 §2.1.1.1, RFC 8410 §3). */
export const TOKEN_ALGORITHMS: Readonly<Record<AlgorithmName, TokenAlgorithm>> = {
  ES256: ecdsa("06082a8648ce3d030107", P256_X),
  ES384: ecdsa("06052b81040022", P384_X),
  ES512: ecdsa("06052b81040023", P521_X),
  Ed25519: eddsa("06032b6570", "edwards25519"),
  RS256: pkcs1("3031300d060960864801650304020105000420"),
  RS384: pkcs1("3041300d060960864801650304020205000430"),
  RS512: pkcs1("3051300d060960864801650304020305000440"),
  PS256: pss(CKM_SHA256, CKG_MGF1_SHA256, 32),
  PS384: pss(CKM_SHA384, CKG_MGF1_SHA384, 48),
  PS512: pss(CKM_SHA512, CKG_MGF1_SHA512, 64),
  "ML-DSA-44": mlDsa(1),
  "ML-DSA-65": mlDsa(2),
  "ML-DSA-87": mlDsa(3),
};

/** ECDSA over the digest (PKCS #11 v2.40 mechanisms, §2.3.6). ykcs11 2.2 writes P-384 as explicit parameters. */
function ecdsa(curve: string, baseX: string): TokenAlgorithm {
  const row = { keyType: CKK_EC, generation: GENERATE_EC, signing: ECDSA, name: "CKM_ECDSA" };
  return withParameters(row, {
    type: CKA_EC_PARAMS,
    spellings: [Buffer.from(curve, "hex")],
    baseX: Buffer.from(baseX, "hex"),
  });
}

/**
 * EdDSA over the message (PKCS #11 v3.0 mechanisms, §2.3.14). Without a parameter, which Kryoptic rejects. Tokens spell
 * the curve as an object identifier or as a PrintableString.
 */
function eddsa(curve: string, name: string): TokenAlgorithm {
  const printable = Buffer.concat([Buffer.of(0x13, name.length), Buffer.from(name)]);
  const row = { keyType: CKK_EC_EDWARDS, generation: GENERATE_EDWARDS, signing: EDDSA, name: "CKM_EDDSA" };
  return withParameters(row, { type: CKA_EC_PARAMS, spellings: [Buffer.from(curve, "hex"), printable] });
}

/** RSASSA-PKCS1-v1_5 over a `DigestInfo` (PKCS #11 v2.40 mechanisms, §2.1.6; RFC 8017 §9.2). */
function pkcs1(prefix: string): TokenAlgorithm {
  return { ...rsa(RSA_PKCS, "CKM_RSA_PKCS"), prefix: Buffer.from(prefix, "hex") };
}

/** RSASSA-PSS over the digest. The parameter is `CK_RSA_PKCS_PSS_PARAMS` (PKCS #11 v2.40 mechanisms, §2.1.9). */
function pss(hash: number, mgf: number, saltLength: number): TokenAlgorithm {
  const parameter = Buffer.concat([hash, mgf, saltLength].map(ulong));
  return rsa({ type: CKM_RSA_PKCS_PSS, parameter }, "CKM_RSA_PKCS_PSS");
}

function rsa(signing: Mechanism, name: string): TokenAlgorithm {
  return { keyType: CKK_RSA, generation: GENERATE_RSA, publicTemplate: RSA_TEMPLATE, signing, name };
}

/** ML-DSA over the message (PKCS #11 v3.2). Without a parameter, the context is empty, as RFC 9964 needs it. */
function mlDsa(parameterSet: number): TokenAlgorithm {
  const row = { keyType: CKK_ML_DSA, generation: GENERATE_ML_DSA, signing: ML_DSA, name: "CKM_ML_DSA" };
  return withParameters(row, { type: CKA_PARAMETER_SET, spellings: [ulong(parameterSet)] });
}

function withParameters(
  row: Omit<TokenAlgorithm, "parameters" | "publicTemplate">,
  parameters: KeyParameters,
): TokenAlgorithm {
  const { type, spellings } = parameters;
  return { ...row, parameters, publicTemplate: [{ type, value: spellings[0] }] };
}
