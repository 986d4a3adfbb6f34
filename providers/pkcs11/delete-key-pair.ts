/** Deletes one key pair on a token. Runs in a worker. */
import { SignerError } from "../../src/errors.js";
import type { Cryptoki, Handle } from "./binding.js";
import {
  CKA_EC_PARAMS,
  CKA_KEY_TYPE,
  CKA_MODULUS,
  CKA_PARAMETER_SET,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
} from "./constants.js";
import { algorithmsOf, checkAlgorithms } from "./key-algorithms.js";
import { findPrivateKey } from "./keys.js";
import { type FoundObject, findObjects, nameOf } from "./objects.js";
import type { DeletedPair, KeySpec } from "./protocol.js";
import { Pkcs11Error } from "./return-values.js";
import type { Token } from "./token.js";

/** What the two halves of a key pair have in common, if the token reports it for both. An EC curve has several encodings. */
const IN_COMMON = [CKA_KEY_TYPE, CKA_MODULUS];
/** The attributes that tell the type of a public key. */
const TYPES = [CKA_MODULUS, CKA_EC_PARAMS, CKA_PARAMETER_SET].map((type) => [CKA_KEY_TYPE, type]);

/**
 * Deletes a private key that can sign, and its public key object. Certificates aren't deleted.
 *
 * @throws {SignerError} With code `key-not-found` or `ambiguous-key`, or `wrong-key` if Hardproof can't sign with the key:
 *   nothing was deleted.
 */
export function deleteKeyPair(
  lib: Cryptoki,
  session: Handle,
  spec: KeySpec,
  { label, serial, mechanisms }: Token,
): DeletedPair {
  const key = findPrivateKey(lib, session, spec.selector);
  const publicKey = publicKeyOf(lib, session, key);
  assertSigns(lib, session, withTypeOf(key, publicKey), spec, mechanisms);
  lib.C_DestroyObject(session, key.handle);
  return {
    token: { label, serial: serial || undefined },
    key: { label: key.label || undefined, id: key.id.length > 0 ? key.id : undefined },
    publicKeyLeft: publicKey && reasonNotDestroyed(lib, session, publicKey),
  };
}

/** A key for decryption, or on a curve that Hardproof can't use, has another purpose than the caller believes. */
function assertSigns(
  lib: Cryptoki,
  session: Handle,
  key: FoundObject,
  { algorithm }: KeySpec,
  mechanisms: readonly number[],
): void {
  try {
    checkAlgorithms(key, algorithm, algorithmsOf(lib, session, key, mechanisms), mechanisms);
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    const reason = "Hardproof deletes only keys that it can sign with.";
    throw new SignerError(error.code, `${error.message} Nothing was deleted: ${reason}`, { cause: error });
  }
}

/** Some tokens report the curve only for the public key. */
function withTypeOf(key: FoundObject, publicKey: FoundObject | undefined): FoundObject {
  const reported = [...key.attributes].filter(([, value]) => value.length > 0);
  return { ...key, attributes: new Map([...(publicKey?.attributes ?? []), ...reported]) };
}

/** The private key doesn't exist any more, so an error must not say that nothing was deleted. */
function reasonNotDestroyed(lib: Cryptoki, session: Handle, { handle }: FoundObject): string | undefined {
  try {
    lib.C_DestroyObject(session, handle);
    return undefined;
  } catch (error) {
    if (error instanceof Pkcs11Error) return error.message;
    throw error;
  }
}

/**
 * Finds the public key object by the private key's id or, if it doesn't have one, by its label. If other keys have that id,
 * the label must match as well.
 */
function publicKeyOf(lib: Cryptoki, session: Handle, key: FoundObject): FoundObject | undefined {
  const selector = key.id.length > 0 ? { id: key.id } : { label: key.label };
  const search = (objectClass: number) =>
    findObjects(lib, session, objectClass, selector, ...TYPES).filter(({ id }) => id.equals(key.id));
  const candidates = search(CKO_PUBLIC_KEY).filter((object) => isHalfOf(object, key));
  const isOnly = candidates.length === 1 && search(CKO_PRIVATE_KEY).length === 1;
  const matches = isOnly ? candidates : candidates.filter(({ label }) => label === key.label);
  if (matches.length <= 1) return matches[0];
  const message = `The token has ${matches.length} public keys for ${nameOf(key)}. Delete those that don't belong to it with the vendor's tool.`;
  throw new SignerError("ambiguous-key", message);
}

function isHalfOf(object: FoundObject, key: FoundObject): boolean {
  return IN_COMMON.every((type) => {
    const [one, other] = [object.attributes.get(type), key.attributes.get(type)];
    return !one?.length || !other?.length || one.equals(other);
  });
}
