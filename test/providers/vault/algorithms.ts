/** The JWS algorithms of the transit engine: the key types, and what a request to sign contains. */
import type { AlgorithmName } from "hardproof/provider";
import type { KeyType } from "../../../testing/emulators/vault-keys.js";
import { testedAlgorithms } from "../../tested-algorithms.js";

/** One algorithm with one type of key. */
export interface AlgorithmRow {
  readonly alg: AlgorithmName;
  readonly type: KeyType;
  /** The settings of the key. */
  readonly settings: Readonly<Record<string, string>>;
  /** The end of the path. */
  readonly hash: string;
  /** The body of a request, without `input` and `key_version`. */
  readonly body: Readonly<Record<string, unknown>>;
}

const jws = { marshaling_algorithm: "jws" };
const prehashed = { ...jws, prehashed: true };
const pss = { ...prehashed, signature_algorithm: "pss", salt_length: "hash" };
const pkcs1 = { ...prehashed, signature_algorithm: "pkcs1v15" };

const ROWS: readonly AlgorithmRow[] = [
  { alg: "ES256", type: "ecdsa-p256", settings: {}, hash: "/sha2-256", body: prehashed },
  { alg: "ES384", type: "ecdsa-p384", settings: {}, hash: "/sha2-384", body: prehashed },
  { alg: "ES512", type: "ecdsa-p521", settings: {}, hash: "/sha2-512", body: prehashed },
  { alg: "Ed25519", type: "ed25519", settings: {}, hash: "", body: jws },
  { alg: "PS256", type: "rsa-2048", settings: {}, hash: "/sha2-256", body: pss },
  { alg: "PS384", type: "rsa-2048", settings: {}, hash: "/sha2-384", body: pss },
  { alg: "PS512", type: "rsa-2048", settings: {}, hash: "/sha2-512", body: pss },
  { alg: "RS256", type: "rsa-2048", settings: {}, hash: "/sha2-256", body: pkcs1 },
  { alg: "RS384", type: "rsa-2048", settings: {}, hash: "/sha2-384", body: pkcs1 },
  { alg: "RS512", type: "rsa-2048", settings: {}, hash: "/sha2-512", body: pkcs1 },
  { alg: "ML-DSA-44", type: "ml-dsa", settings: { parameter_set: "44" }, hash: "", body: jws },
  { alg: "ML-DSA-65", type: "ml-dsa", settings: { parameter_set: "65" }, hash: "", body: jws },
  { alg: "ML-DSA-87", type: "ml-dsa", settings: { parameter_set: "87" }, hash: "", body: jws },
];

const tested = testedAlgorithms("vault");

/** Those that this version of Node can verify. */
export const ALGORITHMS = ROWS.filter(({ alg }) => tested.includes(alg));

/** Returns the row of an algorithm. */
export function rowOf(alg: AlgorithmName): AlgorithmRow {
  const row = ROWS.find((candidate) => candidate.alg === alg);
  if (row === undefined) throw new Error(`There isn't a row for ${alg}.`);
  return row;
}
