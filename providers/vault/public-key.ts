/** The public key of one version of a key, and the algorithms that it can sign with. */
import { createPublicKey } from "node:crypto";
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import type { PublicKeyMembers } from "../../src/jose/public-key.js";
import { algorithmsToOpen } from "./algorithms.js";
import type { TransitKey } from "./transit.js";

/** What opening a version of a key needs. It never changes. */
export interface VersionKey {
  readonly publicKey: Uint8Array | PublicKeyMembers;
  /** Default: all that fit the public key. */
  readonly allowed: readonly AlgorithmName[] | undefined;
}

/**
 * Reads the public key of a version.
 *
 * @throws {SignerError} With code `wrong-key` if it can't sign a JWS; `key-not-found` if the version doesn't exist or is
 *   below the minimum; `access-denied` if the key is soft-deleted.
 */
export function versionKeyOf(key: TransitKey, version: number): VersionKey {
  const { type, data } = key;
  const allowed = algorithmsToOpen(type, parameterSetOf(key));
  if (data.derived === true) throw new SignerError("wrong-key", "The key is derived. Use one with derived=false.");
  if (data.soft_deleted === true)
    throw new SignerError("access-denied", "The key is soft-deleted. Restore it, or use another key.");
  const text = key.versions.get(version)?.public_key;
  if (typeof text !== "string" || text === "") throw missingVersion(key, version);
  checkMinimum(data.min_encryption_version, version);
  return { publicKey: parsePublicKey(text, allowed[0]), allowed };
}

/** Returns `44`, `65` or `87` for an ML-DSA key. */
export function parameterSetOf({ data, latestVersion, versions }: TransitKey): string | undefined {
  if (typeof data.parameter_set === "string") return data.parameter_set;
  return /^ml-dsa-(\d+)$/.exec(String(versions.get(latestVersion)?.name))?.[1];
}

function missingVersion({ versions, latestVersion }: TransitKey, version: number): SignerError {
  const numbers = [...versions.keys()].sort((a, b) => a - b).join(", ") || "none";
  const remedy = `Use one of the usable versions (${numbers}), or leave the version out for the latest, ${latestVersion}.`;
  return new SignerError("key-not-found", `The key doesn't have version ${version}, or it is archived. ${remedy}`);
}

/** 0 means the latest version, so any version can be requested. */
function checkMinimum(minimum: unknown, version: number): void {
  if (typeof minimum !== "number" || version >= minimum) return;
  const remedy = "Use a later version, or lower the minimum.";
  const message = `Version ${version} is below the key's min_encryption_version, ${minimum}. ${remedy}`;
  throw new SignerError("key-not-found", message);
}

/** The server returns PEM or, for Ed25519 and ML-DSA, the bytes of the key in base64. */
function parsePublicKey(text: string, alg: AlgorithmName | undefined): Uint8Array | PublicKeyMembers {
  if (text.includes("-----BEGIN")) return parsePem(text);
  const bytes = Buffer.from(text, "base64").toString("base64url");
  if (alg?.startsWith("ML-DSA")) return { kty: "AKP", alg, pub: bytes };
  return { kty: "OKP", crv: "Ed25519", x: bytes };
}

function parsePem(text: string): Uint8Array {
  try {
    return createPublicKey(text).export({ type: "spki", format: "der" });
  } catch (cause) {
    throw new SignerError("integrity", "The server's public key can't be parsed.", { cause });
  }
}
