/** Resource names of Cloud KMS (https://cloud.google.com/kms/docs/resource-hierarchy): checked before anything is sent. */
import { SignerError } from "../../src/errors.js";

export type ResourceKind = "key ring" | "key" | "key version";

const PATTERN = "projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V";
const ID = /^[\w-]{1,63}$/;
/** What a name is made of, in order. A project id may be in a domain: `example.com:my-project`. */
const PARTS: readonly (readonly [collection: string, id: RegExp])[] = [
  ["projects", /^[a-z0-9.:-]{1,128}$/],
  ["locations", /^[a-z0-9-]{1,63}$/],
  ["keyRings", ID],
  ["cryptoKeys", ID],
  ["cryptoKeyVersions", /^[1-9]\d{0,18}$/],
];
/** By the number of segments. */
const KINDS: Readonly<Record<number, ResourceKind>> = { 6: "key ring", 8: "key", 10: "key version" };

/**
 * Says what a name is of.
 *
 * @param wanted - the kinds that may be named here
 * @throws {SignerError} code `misconfigured`, saying what was found and what is needed
 */
export function checkName(name: string, wanted: readonly ResourceKind[]): ResourceKind {
  const segments = String(name).split("/");
  for (const [index, segment] of segments.entries()) {
    const fault = faultOf(segment, index);
    if (fault) throw malformed(name, fault);
  }
  const kind = KINDS[segments.length];
  if (!kind) throw malformed(name, `it ends after ${segments.at(-1)}`);
  if (!wanted.includes(kind))
    throw malformed(name, `it is the name of a ${kind}; needed is that of a ${wanted.join(" or ")}`);
  return kind;
}

/** @returns the name of the key that a version belongs to, or of the key ring that a key is in */
export function parentOf(name: string): string {
  return name.split("/").slice(0, -2).join("/");
}

/** @returns the last part of the name: the id of the key, or the number of the version */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function faultOf(segment: string, index: number): string | undefined {
  const part = PARTS[Math.floor(index / 2)];
  if (part === undefined) return `"${segment}" stands after the version`;
  const [collection, id] = part;
  if (index % 2 === 0) return segment === collection ? undefined : `"${segment}" stands where ${collection} must`;
  return id.test(segment) ? undefined : `"${segment}" can't follow ${collection}/`;
}

function malformed(name: string, fault: string): SignerError {
  const message = `"${name}" is no name that can be used here: ${fault}. A full name is ${PATTERN}.`;
  return new SignerError("misconfigured", message);
}
