/** How SSH names each JWS algorithm (RFC 5656 §3.1, RFC 8332 §3, RFC 8709 §4): one row for each. */
import { ALGORITHMS, type Algorithm, type AlgorithmName } from "../../src/jose/algorithms.js";

/** SSH's words for a JWS algorithm. */
export interface SshAlgorithm {
  readonly alg: AlgorithmName;
  /** The type of the key, with which its public key starts. */
  readonly keyType: string;
  /** The type of a signature, with which it starts. */
  readonly signatureType: string;
  /** The flags of a request to sign (RFC 9987 §3.6.1). */
  readonly flags: number;
}

/** SSH has neither RSA signatures with SHA-384 nor RSASSA-PSS. */
export const SSH_ALGORITHMS: readonly SshAlgorithm[] = [
  sameType("ES256", "ecdsa-sha2-nistp256"),
  sameType("ES384", "ecdsa-sha2-nistp384"),
  sameType("ES512", "ecdsa-sha2-nistp521"),
  sameType("Ed25519", "ssh-ed25519"),
  { alg: "RS256", keyType: "ssh-rsa", signatureType: "rsa-sha2-256", flags: 2 },
  { alg: "RS512", keyType: "ssh-rsa", signatureType: "rsa-sha2-512", flags: 4 },
];

/** The types of keys that can sign. */
export const KEY_TYPES: readonly string[] = [...new Set(SSH_ALGORITHMS.map(({ keyType }) => keyType))];

const rows = new Map(ALGORITHMS.map((row) => [row.alg, row]));

/** Returns the row of the one table of algorithms. */
export function jwsAlgorithm({ alg }: SshAlgorithm): Algorithm | undefined {
  return rows.get(alg);
}

function sameType(alg: AlgorithmName, keyType: string): SshAlgorithm {
  return { alg, keyType, signatureType: keyType, flags: 0 };
}
