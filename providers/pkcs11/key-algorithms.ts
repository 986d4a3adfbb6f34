/** Which algorithms a private key can sign with: its type, its list of mechanisms and its token each restrict them. */
import { SignerError } from "../../src/errors.js";
import { ALGORITHMS, type Algorithm, type AlgorithmName } from "../../src/jose/algorithms.js";
import { algorithmNamed } from "../../src/jose/find-algorithm.js";
import { type Cryptoki, fromUlong, type Handle, ULONG_BYTES } from "./binding.js";
import { CKA_ALLOWED_MECHANISMS, CKA_EC_PARAMS, CKA_KEY_TYPE, CKA_MODULUS, CKA_SIGN } from "./constants.js";
import { isExplicit, isSpelling, TOKEN_ALGORITHMS } from "./mechanisms.js";
import { type FoundObject, nameOf } from "./objects.js";

/**
 * Returns the algorithms that a key of this type can sign with on the token.
 *
 * @param mechanisms - What `C_GetMechanismList` returns for the token.
 */
export function candidatesFor(key: FoundObject, mechanisms: readonly number[]): Algorithm[] {
  if (!maySign(key)) return [];
  return algorithmsOfType(key).filter(({ alg }) => mechanisms.includes(TOKEN_ALGORITHMS[alg].signing.type));
}

/** Returns the algorithms that the key itself permits: its list of mechanisms takes another call to read. */
export function algorithmsOf(lib: Cryptoki, session: Handle, key: FoundObject, mechanisms: readonly number[]) {
  const candidates = candidatesFor(key, mechanisms);
  const allowed = candidates.length === 0 ? [] : allowedMechanisms(lib, session, key.handle);
  return candidates.filter(({ alg }) => allowed.length === 0 || allowed.includes(TOKEN_ALGORITHMS[alg].signing.type));
}

/** Returns the algorithms that a token can sign with, if it has the keys. */
export function algorithmsOfToken(mechanisms: readonly number[]): AlgorithmName[] {
  return ALGORITHMS.map(({ alg }) => alg).filter((alg) => mechanisms.includes(TOKEN_ALGORITHMS[alg].signing.type));
}

/** Returns the mechanisms that sign with an algorithm, or with any, for errors. */
export function mechanismNames(algorithms: readonly AlgorithmName[]): string {
  return [...new Set(algorithms.map((alg) => TOKEN_ALGORITHMS[alg].name))].join(" or ");
}

/**
 * Checks that the key can sign with the requested algorithm, or with any.
 *
 * @param permitted - The result of {@link candidatesFor} or {@link algorithmsOf}.
 * @param mechanisms - What `C_GetMechanismList` returns for the token.
 * @throws {SignerError} With code `wrong-key`: what the key is, and what is needed.
 */
export function checkAlgorithms(
  key: FoundObject,
  requested: AlgorithmName | undefined,
  permitted: readonly Algorithm[],
  mechanisms: readonly number[],
): void {
  const row = requested && algorithmNamed(requested);
  if (row ? permitted.includes(row) : permitted.length > 0) return;
  throw new SignerError("wrong-key", `${nameOf(key)} ${problemOf(key, row, permitted, mechanisms)}`);
}

function problemOf(
  key: FoundObject,
  requested: Algorithm | undefined,
  permitted: readonly Algorithm[],
  mechanisms: readonly number[],
): string {
  const fitting = algorithmsOfType(key);
  if (requested ? !fitting.includes(requested) : fitting.length === 0)
    return `is ${describeType(key)}; ${needs(requested)}.`;
  if (!maySign(key)) return "isn't allowed to sign (CKA_SIGN).";
  const wanted = (requested ? [requested] : fitting).map(({ alg }) => alg);
  const others = permitted.map(({ alg }) => alg).join(", ");
  const remedy = others ? `Set algorithm to one of ${others}, or use another key.` : "Use another key.";
  const isSupported = algorithmsOfToken(mechanisms).some((alg) => wanted.includes(alg));
  const reason = isSupported ? "CKA_ALLOWED_MECHANISMS" : "the token doesn't support it";
  return `can't sign with ${mechanismNames(wanted)} (${reason}). ${remedy}`;
}

function needs(requested: Algorithm | undefined): string {
  if (requested) return `${requested.alg} needs ${requested.needs}`;
  return `use ${[...new Set(ALGORITHMS.map((row) => row.needs))].join(", ")}`;
}

function maySign({ attributes }: FoundObject): boolean {
  return attributes.get(CKA_SIGN)?.[0] !== 0;
}

/** An attribute that the token doesn't report excludes nothing: the public key decides. */
function algorithmsOfType({ attributes }: FoundObject): Algorithm[] {
  const keyType = keyTypeOf(attributes);
  const modulus = attributes.get(CKA_MODULUS)?.length;
  return ALGORITHMS.filter((row) => {
    const { parameters, ...expected } = TOKEN_ALGORITHMS[row.alg];
    const found = parameters && attributes.get(parameters.type);
    if (keyType !== undefined && keyType !== expected.keyType) return false;
    if (found && !isSpelling(parameters, found)) return false;
    return row.kty !== "RSA" || !modulus || 8 * modulus >= row.minimumModulus;
  });
}

function keyTypeOf(attributes: FoundObject["attributes"]): number | undefined {
  const keyType = attributes.get(CKA_KEY_TYPE);
  return keyType && Number(fromUlong(keyType));
}

/** The list is read in a separate call, because p11-kit fails a whole call that contains it. */
function allowedMechanisms(lib: Cryptoki, session: Handle, key: Handle): number[] {
  try {
    const [bytes = Buffer.alloc(0)] = lib.C_GetAttributeValue(session, key, [CKA_ALLOWED_MECHANISMS]);
    const count = Math.floor(bytes.length / ULONG_BYTES);
    return Array.from({ length: count }, (_, index) =>
      Number(fromUlong(bytes.subarray(index * ULONG_BYTES, (index + 1) * ULONG_BYTES))),
    );
  } catch {
    return [];
  }
}

/** Key types by their `CKA_KEY_TYPE`. */
const KEY_TYPES: Readonly<Record<number, string>> = {
  0: "RSA",
  1: "DSA",
  2: "DH",
  3: "EC",
  31: "AES",
  64: "EC Edwards",
  65: "EC Montgomery",
  74: "ML-DSA",
};

/** Curves that no algorithm uses, by their `CKA_EC_PARAMS` in hex. */
const OTHER_CURVES: Readonly<Record<string, string>> = {
  "06052b8104000a": "secp256k1",
  "06052b81040021": "P-224",
  "06032b6571": "Ed448",
};

function describeType({ attributes }: FoundObject): string {
  const [type, parameters, modulus] = [
    keyTypeOf(attributes),
    attributes.get(CKA_EC_PARAMS),
    attributes.get(CKA_MODULUS),
  ];
  const name = type === undefined ? "a" : `an ${KEY_TYPES[type] ?? `unknown (CKK ${type})`}`;
  if (parameters) return `${name} key on ${curveName(parameters)}`;
  return modulus?.length ? `${name} key of ${8 * modulus.length} bits` : `${name} key`;
}

function curveName(parameters: Buffer): string {
  const row = ALGORITHMS.find(({ alg }) => {
    const known = TOKEN_ALGORITHMS[alg].parameters;
    return known !== undefined && isSpelling(known, parameters);
  });
  if (row && "crv" in row) return row.crv;
  if (isExplicit(parameters)) return "a curve with explicit parameters";
  const hex = parameters.toString("hex");
  return OTHER_CURVES[hex] ?? `curve ${hex}`;
}
