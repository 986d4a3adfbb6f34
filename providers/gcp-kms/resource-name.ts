/** Validates resource names of Cloud KMS (https://cloud.google.com/kms/docs/resource-hierarchy). */
import { SignerError } from "../../src/errors.js";

/** The kinds of resources that a name can have here. */
export type ResourceKind = "key ring" | "key" | "key version";

const PATTERN = "projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/V";
const ID = /^[\w-]{1,63}$/;
/** The parts of a name, in order. A project id can have a domain: `example.com:my-project`. */
const PARTS: readonly (readonly [collection: string, id: RegExp])[] = [
  ["projects", /^[a-z0-9.:-]{1,128}$/],
  ["locations", /^[a-z0-9-]{1,63}$/],
  ["keyRings", ID],
  ["cryptoKeys", ID],
  ["cryptoKeyVersions", /^[1-9]\d{0,18}$/],
];
/** The kind of a name, by its number of segments. */
const KINDS: Readonly<Record<number, ResourceKind>> = { 6: "key ring", 8: "key", 10: "key version" };

/**
 * Returns the kind of resource that a name stands for.
 *
 * @param allowed - The kinds that the caller accepts.
 * @throws {SignerError} With code `misconfigured` if the name is malformed, or of another kind.
 */
export function checkResourceName(name: string, allowed: readonly ResourceKind[]): ResourceKind {
  const segments = String(name).split("/");
  for (const [index, segment] of segments.entries()) {
    const problem = findProblem(segment, index);
    if (problem) throw invalidName(name, problem);
  }
  const kind = KINDS[segments.length];
  if (!kind) throw invalidName(name, `it ends after "${segments.at(-1)}"`);
  if (!allowed.includes(kind)) throw invalidName(name, `it names a ${kind} instead of a ${allowed.join(" or ")}`);
  return kind;
}

/** Returns the name of the key of a version, or of the key ring of a key. */
export function parentOf(name: string): string {
  return name.split("/").slice(0, -2).join("/");
}

/** Returns the last segment of the name: the id of a key, or the number of a version. */
export function idOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function findProblem(segment: string, index: number): string | undefined {
  const part = PARTS[Math.floor(index / 2)];
  if (part === undefined) return `"${segment}" can't follow the version`;
  const [collection, id] = part;
  if (index % 2 === 0) return segment === collection ? undefined : `expected ${collection} instead of "${segment}"`;
  return id.test(segment) ? undefined : `"${segment}" can't follow ${collection}/`;
}

function invalidName(name: string, problem: string): SignerError {
  const message = `"${name}" is not a valid resource name here: ${problem}. A full name is ${PATTERN}.`;
  return new SignerError("misconfigured", message);
}
