/**
 * The signatures of Project Wycheproof (https://github.com/C2SP/wycheproof). They are read from a cache outside the
 * repository, and downloaded into it if they are missing. Each file must have the hash that it has at the pinned commit.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AlgorithmName } from "hardproof";
import { cacheDirectory, download } from "./cache.js";
import { SHA256 } from "./wycheproof-hashes.js";

/** The version whose verdicts are known to be the same as Hardproof's. */
export const COMMIT = "dac1dd4729fd1f8dd9e1e9f3dce51d783da6c166";
const SOURCE = `https://raw.githubusercontent.com/C2SP/wycheproof/${COMMIT}/testvectors_v1`;
const DIRECTORY = cacheDirectory("wycheproof");

/** One file of vectors. */
export interface VectorFile {
  readonly name: string;
  /** The JWS algorithm with the same curve, hash and padding. */
  readonly alg: AlgorithmName;
  /** `der` for an ASN.1 sequence, `raw` for everything else. */
  readonly form: "der" | "raw";
}

/** Signatures for one public key. */
export interface VectorGroup {
  /** SubjectPublicKeyInfo in hexadecimal. */
  readonly publicKeyDer: string;
  readonly tests: readonly Vector[];
}

/** One signature and its verdict. Bytes are hexadecimal. */
export interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly msg: string;
  readonly sig: string;
  /** The context of ML-DSA (FIPS 204 §5.2). JWS uses the empty one (RFC 9964). */
  readonly ctx?: string;
  /** `acceptable` if a verifier may decide either way. */
  readonly result: "valid" | "invalid" | "acceptable";
}

const ecdsa = (alg: AlgorithmName, curve: string, hash: string): VectorFile[] => [
  { name: `ecdsa_${curve}_${hash}_test`, alg, form: "der" },
  { name: `ecdsa_${curve}_${hash}_p1363_test`, alg, form: "raw" },
];
const rsa = (alg: AlgorithmName, hash: string): VectorFile[] =>
  [2048, 3072, 4096].map((bits) => ({ name: `rsa_signature_${bits}_${hash}_test`, alg, form: "raw" }));
const pss = (alg: AlgorithmName, parameters: string, sizes: readonly number[]): VectorFile[] =>
  sizes.map((bits) => ({ name: `rsa_pss_${bits}_${parameters}_test`, alg, form: "raw" }));

/** Every file with signatures of a JWS algorithm. Wycheproof has PSS with the salts of JWS for these sizes only. */
export const VECTOR_FILES: readonly VectorFile[] = [
  ...ecdsa("ES256", "secp256r1", "sha256"),
  ...ecdsa("ES384", "secp384r1", "sha384"),
  ...ecdsa("ES512", "secp521r1", "sha512"),
  { name: "ed25519_test", alg: "Ed25519", form: "raw" },
  ...rsa("RS256", "sha256"),
  ...rsa("RS384", "sha384"),
  ...rsa("RS512", "sha512"),
  ...pss("PS256", "sha256_mgf1_32", [2048, 3072, 4096]),
  ...pss("PS384", "sha384_mgf1_48", [2048, 4096]),
  ...pss("PS512", "sha512_mgf1_64", [4096]),
  ...([44, 65, 87] as const).map(
    (set): VectorFile => ({ name: `mldsa_${set}_verify_test`, alg: `ML-DSA-${set}`, form: "raw" }),
  ),
];

/**
 * Downloads a file unless it is in the cache.
 *
 * @returns Its path.
 * @throws {Error} If it can't be downloaded, or isn't that of the pinned commit.
 */
export async function downloadVectors({ name }: VectorFile): Promise<string> {
  const [url, path] = [`${SOURCE}/${name}.json`, join(DIRECTORY, `${name}.json`)];
  const remedy = `Run \`git checkout ${COMMIT}\` in a clone of C2SP/wycheproof, and copy testvectors_v1/*.json to ${DIRECTORY}.`;
  return download({ url, sha256: SHA256[name] ?? "", path }).catch((cause: Error) => {
    throw new Error(`${cause.message} ${remedy}`, { cause });
  });
}

/** Returns the groups of a file. */
export async function readVectors(file: VectorFile): Promise<readonly VectorGroup[]> {
  return JSON.parse(readFileSync(await downloadVectors(file), "utf8")).testGroups;
}
