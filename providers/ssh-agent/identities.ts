/** The public keys that an agent lists (RFC 9987 §3.5). */
import { createHash } from "node:crypto";
import { WireReader } from "./wire.js";

/** One public key of an agent. */
export interface Identity {
  /** The public key as SSH encodes it (RFC 4253 §6.6). */
  readonly key: Buffer;
  /** What the agent calls it. Not necessarily printable, and not necessarily unique. */
  readonly comment: string;
}

/**
 * Reads the list. A key that is listed twice is returned once.
 *
 * @throws {SignerError} With code `integrity` if it is malformed.
 */
export function readIdentities(answer: Buffer): Identity[] {
  const reader = new WireReader(answer, "The agent's list of keys");
  const identities = new Map<string, Identity>();
  for (let left = reader.uint32(); left > 0; left -= 1) {
    const key = reader.string();
    const comment = reader.string().toString();
    const name = `${key.toString("latin1")}\0${comment}`;
    identities.set(name, { key, comment });
  }
  reader.end();
  return [...identities.values()];
}

/** Returns the fingerprint of a public key, as `ssh-add -l` prints it: `SHA256:` and 43 characters of base64. */
export function fingerprintOf(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace("=", "")}`;
}
