/** The variables that the commands `vault` and `bao` read as well, so that one environment serves them all. */
import { misconfigured } from "../../src/keystore/signer-error.js";

/** Each is read as `BAO_…` and `VAULT_…`. */
type Name = "ADDR" | "NAMESPACE" | "TOKEN";

/**
 * Returns the value of `BAO_…` or `VAULT_…`. An empty one counts as not set.
 *
 * @throws {SignerError} With code `misconfigured` if both are set, and differ: a token may belong to the other server.
 */
export function fromEnvironment(name: Name): string | undefined {
  const { [`BAO_${name}`]: bao, [`VAULT_${name}`]: vault } = process.env;
  if (bao && vault && bao !== vault)
    throw misconfigured(`vault: BAO_${name} and VAULT_${name} have different values. Unset one of them.`);
  return bao || vault || undefined;
}

/** Returns the variable that {@link fromEnvironment} reads: the one that is set. */
export function variableOf(name: Name): string {
  return process.env[`BAO_${name}`] ? `BAO_${name}` : `VAULT_${name}`;
}
