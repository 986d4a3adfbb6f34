/** Finds keys on a token by label and id, and the public key that belongs to each. */
import { SignerError } from "../../src/errors.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import { type Cryptoki, fromUlong, type Handle, ULONG_BYTES } from "./binding.js";
import {
  CKA_ALLOWED_MECHANISMS,
  CKA_ALWAYS_AUTHENTICATE,
  CKA_CLASS,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_KEY_TYPE,
  CKA_SIGN,
  CKK_EC,
  CKM_ECDSA,
  CKO_PRIVATE_KEY,
  CURVES,
  KEY_TYPES,
  P256_PARAMS,
} from "./constants.js";
import { type FoundObject, findObjects, idBytes, type KeySelector, nameOf } from "./objects.js";
import { findPublicJwk } from "./public-key.js";

/** A private key, in the session in which it was found. */
export interface FoundKey extends FoundObject {
  readonly publicJwk: PublicJwk;
  /** `CKA_ALWAYS_AUTHENTICATE`: each signature needs the PIN. */
  readonly alwaysAuthenticate: boolean;
}

const PRIVATE = [CKA_CLASS, CKA_KEY_TYPE, CKA_EC_PARAMS, CKA_SIGN, CKA_ALWAYS_AUTHENTICATE];
const PUBLIC = [CKA_CLASS, CKA_KEY_TYPE, CKA_EC_PARAMS, CKA_EC_POINT];

/**
 * Finds the private key and, with the same search, its public key.
 *
 * @param publicJwk - The public key, for a token that doesn't store it.
 * @throws {SignerError} With code `key-not-found`, `ambiguous-key` or `wrong-key`.
 */
export function findKey(lib: Cryptoki, session: Handle, selector: KeySelector, publicJwk?: PublicJwk): FoundKey {
  const { label, id } = selector;
  const objects = findObjects(lib, session, undefined, id ? { id } : { label }, PRIVATE, PUBLIC);
  const keys = objects.filter((object) => isPrivateKey(object) && (label === undefined || object.label === label));
  const key = onlyKey(lib, session, selector, keys);
  const problem = signingProblem(key);
  if (problem) throw new SignerError("wrong-key", `${nameOf(key)} ${problem}`);
  return {
    ...key,
    publicJwk: publicJwk ?? findPublicJwk(lib, session, key, objects),
    alwaysAuthenticate: key.attributes.get(CKA_ALWAYS_AUTHENTICATE)?.[0] === 1,
  };
}

/** Returns the private keys that can sign ES256. */
export function findSigningKeys(lib: Cryptoki, session: Handle, selector: KeySelector): FoundObject[] {
  const keys = findObjects(lib, session, CKO_PRIVATE_KEY, selector, PRIVATE);
  return keys.filter((key) => signingProblem(key) === undefined && !isRestricted(lib, session, key.handle));
}

/**
 * Finds the private key, whether it can sign or not.
 *
 * @throws {SignerError} With code `key-not-found` or `ambiguous-key`.
 */
export function findPrivateKey(lib: Cryptoki, session: Handle, selector: KeySelector): FoundObject {
  return onlyKey(lib, session, selector, findObjects(lib, session, CKO_PRIVATE_KEY, selector));
}

function onlyKey(lib: Cryptoki, session: Handle, selector: KeySelector, keys: FoundObject[]): FoundObject {
  const [key] = keys;
  if (key && keys.length === 1) return key;
  const description = describeSelector(selector);
  if (key) {
    const message = `${keys.length} private keys have ${description}: ${keys.map(nameOf).join(", ")}. Select one by its id.`;
    throw new SignerError("ambiguous-key", message);
  }
  const others = findObjects(lib, session, CKO_PRIVATE_KEY, {}).map(nameOf).join(", ");
  const found = others || "no private key that this login can see";
  const remedy = "To create it, run hardproof keygen.";
  throw new SignerError(
    "key-not-found",
    `The token has no private key with ${description}. It has ${found}. ${remedy}`,
  );
}

function isPrivateKey({ attributes }: FoundObject): boolean {
  const objectClass = attributes.get(CKA_CLASS);
  return objectClass !== undefined && Number(fromUlong(objectClass)) === CKO_PRIVATE_KEY;
}

function signingProblem({ attributes }: FoundObject): string | undefined {
  const keyType = attributes.get(CKA_KEY_TYPE);
  const type = keyType && Number(fromUlong(keyType));
  const found = type !== undefined && type !== CKK_EC ? typeName(type) : otherCurve(attributes.get(CKA_EC_PARAMS));
  if (found !== undefined) return `is ${found}; ES256 needs an EC key on P-256.`;
  return attributes.get(CKA_SIGN)?.[0] === 0 ? "isn't allowed to sign (CKA_SIGN)." : undefined;
}

/**
 * Returns whether the key's list of allowed mechanisms lacks `CKM_ECDSA`. The list is read in a separate call, because
 * p11-kit fails a whole call that contains it.
 */
export function isRestricted(lib: Cryptoki, session: Handle, key: Handle): boolean {
  const allowed = allowedMechanisms(lib, session, key);
  return allowed.length > 0 && !allowed.includes(CKM_ECDSA);
}

function allowedMechanisms(lib: Cryptoki, session: Handle, key: Handle): number[] {
  try {
    const [bytes = Buffer.alloc(0)] = lib.C_GetAttributeValue(session, key, [CKA_ALLOWED_MECHANISMS]);
    const count = Math.floor(bytes.length / ULONG_BYTES);
    return Array.from({ length: count }, (_, index) =>
      Number(fromUlong(bytes.subarray(index * ULONG_BYTES, (index + 1) * ULONG_BYTES))),
    );
  } catch {
    return [];
  }
}

/** @returns The curve's description; `undefined` for P-256, and for a token that doesn't report the curve. */
function otherCurve(parameters: Buffer | undefined): string | undefined {
  const curve = parameters?.toString("hex") ?? P256_PARAMS;
  return curve === P256_PARAMS ? undefined : `an EC key on ${CURVES[curve] ?? `curve ${curve}`}`;
}

function typeName(type: number): string {
  return `an ${KEY_TYPES[type] ?? `unknown (CKK ${type})`} key`;
}

function describeSelector({ label, id }: KeySelector): string {
  const members = [label && `label "${label}"`, id && `id ${idBytes(id).toString("hex")}`];
  return members.filter(Boolean).join(" and ");
}
