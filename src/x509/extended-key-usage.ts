/** The purposes that a certificate may be used for (RFC 5280 §4.2.1.12). */
import { SignerError } from "../index.js";
import { isObjectIdentifier } from "./object-identifier.js";

const OIDS: ReadonlyMap<string, string> = new Map([
  ["clientAuth", "1.3.6.1.5.5.7.3.2"],
  ["serverAuth", "1.3.6.1.5.5.7.3.1"],
  ["codeSigning", "1.3.6.1.5.5.7.3.3"],
  ["emailProtection", "1.3.6.1.5.5.7.3.4"],
  ["timeStamping", "1.3.6.1.5.5.7.3.8"],
]);

/**
 * Returns the OIDs of purposes.
 *
 * @param usages - Names such as `clientAuth`, or OIDs.
 * @throws {SignerError} With code `misconfigured` for an unknown name.
 */
export function usageOids(usages: readonly string[]): string[] {
  return usages.map((usage) => {
    const oid = OIDS.get(usage) ?? (isObjectIdentifier(usage) ? usage : undefined);
    if (oid !== undefined) return oid;
    const names = [...OIDS.keys()].join(", ");
    throw new SignerError("misconfigured", `extendedKeyUsage: Expected one of ${names}, or an OID.`);
  });
}
