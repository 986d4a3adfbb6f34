/** Which algorithm a key signs with: its type, its store and the caller each may restrict it. */
import type { KeyObject } from "node:crypto";
import { SignerError } from "../errors.js";
import { ALGORITHMS, type Algorithm } from "./algorithms.js";
import { algorithmNamed, findAlgorithm, namesOf } from "./find-algorithm.js";

/** What restricts the algorithm of a key, besides its type. */
export interface AlgorithmChoice {
  /** The option of the caller, which an RSA key needs: it can sign with several algorithms. */
  readonly algorithm?: string | undefined;
  /** The algorithms that the store lets the key sign with. Default: all that fit its type. */
  readonly allowed?: readonly string[] | undefined;
}

/**
 * Chooses the algorithm of a key.
 *
 * @param key - The public key.
 * @throws {SignerError} With code `wrong-key` if the key can't sign with the algorithm; `misconfigured` if it can sign
 *   with several and `algorithm` is missing, or `algorithm` isn't the name of one.
 */
export function chooseAlgorithm(key: KeyObject, { algorithm, allowed }: AlgorithmChoice): Algorithm {
  const fitting = ALGORITHMS.filter((row) => fits(row, key));
  const permitted = permittedOf(fitting, allowed);
  const requested = algorithm === undefined ? undefined : algorithmNamed(algorithm);
  if (requested && permitted.includes(requested)) return requested;
  const [only] = permitted;
  if (!requested && only && permitted.length === 1) return only;
  throw problemOf({ found: describeKey(key), requested, fitting, permitted, allowed });
}

const TYPE_NAMES = new Map<string | undefined, string>([
  ["ec", "EC"],
  ["rsa", "RSA"],
  ["ed25519", "Ed25519"],
]);

/** Returns the type of a key as users know it: `RSA 2048`, `EC P-384`, `ed448`. */
export function describeKey({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): string {
  const { namedCurve, modulusLength } = asymmetricKeyDetails;
  const curve = ALGORITHMS.find((row) => row.kty === "EC" && row.namedCurve === namedCurve);
  const name = TYPE_NAMES.get(asymmetricKeyType) ?? `${asymmetricKeyType}`;
  const detail = curve?.kty === "EC" ? curve.crv : (namedCurve ?? modulusLength);
  return detail === undefined ? name : `${name} ${detail}`;
}

function fits(row: Algorithm, { asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails;
  if (row.keyType !== asymmetricKeyType) return false;
  return row.kty === "EC" ? row.namedCurve === namedCurve : row.kty !== "RSA" || modulusLength >= row.minimumModulus;
}

/** The store's list may use an older name, and contain algorithms that Hardproof doesn't have. */
function permittedOf(fitting: readonly Algorithm[], allowed: readonly string[] | undefined): readonly Algorithm[] {
  if (allowed === undefined) return fitting;
  const rows = allowed.map(findAlgorithm);
  return fitting.filter((row) => rows.includes(row));
}

/** Names the option for programmers, and the attribute for users of the command. */
const SET_ALGORITHM = "Set algorithm (in a URI: ?algorithm=…)";

interface Problem {
  readonly found: string;
  readonly requested: Algorithm | undefined;
  readonly fitting: readonly Algorithm[];
  readonly permitted: readonly Algorithm[];
  readonly allowed: readonly string[] | undefined;
}

function problemOf({ found, requested, fitting, permitted, allowed = [] }: Problem): SignerError {
  if (requested && !fitting.includes(requested))
    return new SignerError("wrong-key", `${requested.alg} needs ${requested.needs}, but this key is ${found}.`);
  if (fitting.length === 0) {
    const needs = [...new Set(ALGORITHMS.map((row) => row.needs))].join(", ");
    return new SignerError("wrong-key", `This key is ${found}, which no algorithm here can use. Use ${needs}.`);
  }
  if (permitted.length > 1 && !requested) {
    const message = `This key is ${found}, which can sign with several algorithms.`;
    return new SignerError("misconfigured", `${message} ${SET_ALGORITHM} to one of ${namesOf(permitted)}.`);
  }
  const restriction = `This key is ${found}, and may only sign with ${allowed.join(", ") || "no algorithm"}`;
  const remedy =
    permitted.length > 0 ? `${SET_ALGORITHM} to one of ${namesOf(permitted)}, or use another key` : "Use another key";
  const request = requested?.alg ?? namesOf(fitting);
  return new SignerError("wrong-key", `${restriction}, not with ${request}. ${remedy}.`);
}
