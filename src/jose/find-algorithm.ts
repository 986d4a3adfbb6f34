/** Finds an algorithm by its name in a header, a JWK or an option, and names algorithms for headers and errors. */
import { createPublicKey } from "node:crypto";
import { SignerError } from "../errors.js";
import { type AkpAlgorithm, ALGORITHMS, type Algorithm, type AlgorithmName } from "./algorithms.js";

const byName = new Map<string, Algorithm>(
  ALGORITHMS.flatMap((row) => [row.alg, row.olderName ?? []].flat().map((name) => [name, row])),
);

/**
 * Returns the row of an algorithm.
 *
 * @param name - The `alg` of a JWS header, a JWK or an option: `ES256`; `EdDSA` for `Ed25519`.
 * @returns `undefined` if Hardproof doesn't have the algorithm.
 */
export function findAlgorithm(name: unknown): Algorithm | undefined {
  return byName.get(name as string);
}

/**
 * Returns the row of an algorithm that this version of Node can use.
 *
 * @throws {SignerError} With code `misconfigured` if there isn't such an algorithm, or Node can't use it.
 */
export function algorithmNamed(name: string): Algorithm {
  const algorithm = findAlgorithm(name);
  if (algorithm === undefined)
    throw new SignerError("misconfigured", `algorithm must be one of ${namesOf(ALGORITHMS)}; it is ${name}.`);
  if (isAvailable(algorithm)) return algorithm;
  const remedy = "It needs Node 24.7 or later, with OpenSSL 3.5 or later.";
  throw new SignerError("misconfigured", `Node ${process.versions.node} can't verify ${algorithm.alg}. ${remedy}`);
}

/** Returns whether this version of Node, with its OpenSSL, can verify signatures of the algorithm. */
export function isAvailable(algorithm: Algorithm): boolean {
  return algorithm.kty !== "AKP" || canImport(algorithm);
}

/**
 * Returns the name for a header that a server understands.
 *
 * @param supported - The names that the server lists. Without a list, the server decides by itself.
 * @returns The current name, or the older one if the server lists only that. `undefined` if it lists neither.
 */
export function nameFor({ alg, olderName }: Algorithm, supported: readonly string[] | undefined): string | undefined {
  if (supported === undefined || supported.includes(alg)) return alg;
  return olderName !== undefined && supported.includes(olderName) ? olderName : undefined;
}

/** Returns the names of algorithms, for errors. */
export function namesOf(algorithms: readonly Algorithm[]): string {
  return algorithms.map(({ alg }) => alg).join(", ");
}

const importable = new Map<AlgorithmName, boolean>();

/** Tries it: neither the version of Node nor that of OpenSSL says it alone. Any bytes are a public key of ML-DSA. */
function canImport({ alg, publicKeyBytes }: AkpAlgorithm): boolean {
  const known = importable.get(alg);
  if (known !== undefined) return known;
  const pub = Buffer.alloc(publicKeyBytes).toString("base64url");
  const result = succeeds(() => createPublicKey({ key: { kty: "AKP", alg, pub }, format: "jwk" }));
  importable.set(alg, result);
  return result;
}

function succeeds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
