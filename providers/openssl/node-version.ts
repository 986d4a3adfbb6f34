/** The versions of Node that open private keys by the URL of an OpenSSL STORE loader. */
import { misconfigured } from "../../src/keystore/signer-error.js";

/** The first release of each line that has it. Later lines have it, too. */
const FIRST_MINOR: Readonly<Record<number, number>> = { 24: 21, 26: 7 };
const NEXT_LINE = 27;

/** Returns why this version of Node can't open such keys. `undefined` if it can. */
export function versionProblem(version: string = process.versions.node): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major >= NEXT_LINE || minor >= (FIRST_MINOR[major] ?? Number.POSITIVE_INFINITY)) return undefined;
  return `Node ${version} can't open keys by OpenSSL's STORE loaders`;
}

/** What to do on an older version. */
export const NODE_NEEDED =
  "Use Node 24.21 or later, or 26.7 or later. On any Node, hardproof/pkcs11 and hardproof/tpm open keys without OpenSSL.";

/** @throws {SignerError} With code `misconfigured` if this version of Node can't open such keys. */
export function checkNodeVersion(): void {
  const problem = versionProblem();
  if (problem !== undefined) throw misconfigured(`${problem}. ${NODE_NEEDED}`);
}
