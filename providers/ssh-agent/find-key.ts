/** Finds the key that a URI names among those that an agent lists. */
import { SignerError } from "../../src/errors.js";
import { fingerprintOf, type Identity } from "./identities.js";
import { readPublicKey, type SshPublicKey } from "./public-key.js";

/** What names a key. Without either, every key matches. */
export interface KeyName {
  /** `SHA256:` and 43 characters of base64, as `ssh-add -l` prints it. */
  readonly fingerprint?: string | undefined;
  /** The comment that the agent stores with the key. */
  readonly comment?: string | undefined;
}

/** A key that can sign. */
export interface UsableKey extends SshPublicKey, Identity {}

/**
 * Finds the one key with the name. Keys of types that can't sign are ignored if there is another one: `ssh-add` adds a key
 * and its certificate with the same comment.
 *
 * @throws {SignerError} With code `key-not-found`, `ambiguous-key`, or `wrong-key` if no key with the name can sign.
 */
export function findKey(identities: readonly Identity[], name: KeyName): UsableKey {
  const usable = findKeys(identities, name);
  const [first] = usable;
  if (first === undefined) throw notUsable(identities, name);
  const fingerprints = [...new Set(usable.map(({ key }) => fingerprintOf(key)))];
  if (fingerprints.length === 1) return first;
  const message = `${fingerprints.length} keys of the agent have this comment. Open one of them by its fingerprint`;
  throw new SignerError("ambiguous-key", `${message}: ${fingerprints.join(", ")}.`);
}

/** Returns all keys with the name whose types can sign. */
export function findKeys(identities: readonly Identity[], name: KeyName): UsableKey[] {
  return identities
    .filter((identity) => matches(identity, name))
    .flatMap((identity) => {
      const publicKey = readOrReason(identity);
      return publicKey instanceof SignerError ? [] : [{ ...identity, ...publicKey }];
    });
}

function matches({ key, comment }: Identity, name: KeyName): boolean {
  const hasFingerprint = name.fingerprint === undefined || fingerprintOf(key) === name.fingerprint;
  return hasFingerprint && (name.comment === undefined || comment === name.comment);
}

function notUsable(identities: readonly Identity[], name: KeyName): SignerError {
  const found = identities.find((identity) => matches(identity, name));
  const reason = found && readOrReason(found);
  if (reason instanceof SignerError) return reason;
  if (identities.length === 0) return new SignerError("key-not-found", NO_KEYS);
  const remedy = "Add the key with ssh-add (a certificate isn't enough). `hardproof keys ssh-agent:` lists the keys.";
  return new SignerError(
    "key-not-found",
    `The key isn't among the ${identities.length} that the agent lists. ${remedy}`,
  );
}

/** What an agent without keys means, and what to do. */
export const NO_KEYS =
  "The agent doesn't list any key. Add one with ssh-add, or unlock the agent (with OpenSSH: ssh-add -X).";

function readOrReason({ key }: Identity): SshPublicKey | SignerError {
  try {
    return readPublicKey(key);
  } catch (error) {
    if (error instanceof SignerError) return error;
    throw error;
  }
}
