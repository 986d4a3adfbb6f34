/** Finds keys on a token by label and id, with the algorithms that they can sign with. */

import { SignerError } from "../../src/errors.js";
import type { Algorithm } from "../../src/jose/algorithms.js";
import { type ImportedPublicKey, type PublicKeyMembers, publicMembers } from "../../src/jose/public-key.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import { type Cryptoki, fromUlong, type Handle } from "./binding.js";
import {
  CKA_ALWAYS_AUTHENTICATE,
  CKA_CLASS,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_KEY_TYPE,
  CKA_MODULUS,
  CKA_PARAMETER_SET,
  CKA_PUBLIC_EXPONENT,
  CKA_SIGN,
  CKO_PRIVATE_KEY,
} from "./constants.js";
import { algorithmsOf, candidatesFor, checkAlgorithms } from "./key-algorithms.js";
import { listSome } from "./list-some.js";
import { TOKEN_ALGORITHMS, type TokenAlgorithm } from "./mechanisms.js";
import {
  type FoundObject,
  findObjects,
  findObjectsInPortions,
  idBytes,
  type KeySelector,
  nameOf,
  nameSome,
} from "./objects.js";
import type { KeySpec } from "./protocol.js";
import { findPublicKey, importKey, type PublicKeyChoice } from "./public-key.js";

/** A private key, in the session in which it was found. */
export interface FoundKey extends FoundObject {
  readonly publicJwk: PublicJwk;
  /** How the token signs with the key's algorithm. */
  readonly algorithm: TokenAlgorithm;
  /** The length of each signature, in bytes. */
  readonly signatureBytes: number;
  /** `CKA_ALWAYS_AUTHENTICATE`: each signature needs the PIN. */
  readonly alwaysAuthenticate: boolean;
}

/** The attributes that tell the type of a key, and those of its public half: EC and Edwards, RSA, ML-DSA. */
const TYPES = [
  { both: [CKA_EC_PARAMS], inPublic: [CKA_EC_POINT] },
  { both: [CKA_MODULUS, CKA_PUBLIC_EXPONENT], inPublic: [] },
  { both: [CKA_PARAMETER_SET], inPublic: [] },
];
const inPrivate = ({ both }: { both: readonly number[] }) => [
  ...[CKA_CLASS, CKA_KEY_TYPE, ...both],
  ...[CKA_SIGN, CKA_ALWAYS_AUTHENTICATE],
];
const PRIVATE = TYPES.map(inPrivate);
const PRIVATE_OR_PUBLIC = TYPES.flatMap((type) => [
  inPrivate(type),
  [CKA_CLASS, CKA_KEY_TYPE, ...type.both, ...type.inPublic],
]);

/**
 * Finds the private key and, with the same search, its public key.
 *
 * @param mechanisms - What `C_GetMechanismList` returns for the token.
 * @throws {SignerError} With code `key-not-found`, `ambiguous-key` or `wrong-key`; `misconfigured` if the key can sign
 *   with several algorithms and none was chosen.
 */
export function findKey(
  lib: Cryptoki,
  session: Handle,
  { selector, publicKey, algorithm }: KeySpec,
  mechanisms: readonly number[],
): FoundKey {
  const { label, id } = selector;
  const objects = findObjects(lib, session, undefined, id ? { id } : { label }, ...PRIVATE_OR_PUBLIC);
  const keys = objects.filter((object) => isPrivateKey(object) && (label === undefined || object.label === label));
  const key = onlyKey(lib, session, selector, keys);
  const candidates = candidatesFor(key, mechanisms);
  // A key with one algorithm needs no choice. If its list of mechanisms lacks it, the token refuses to sign.
  const permitted = candidates.length > 1 ? algorithmsOf(lib, session, key, mechanisms) : candidates;
  checkAlgorithms(key, algorithm, permitted, mechanisms);
  const choice = { algorithm, permitted };
  const { jwk, signatureBytes } = publicKey
    ? importGivenKey(publicKey, choice)
    : findPublicKey(lib, session, key, objects, choice);
  return {
    ...key,
    publicJwk: jwk,
    algorithm: TOKEN_ALGORITHMS[jwk.alg],
    signatureBytes,
    alwaysAuthenticate: key.attributes.get(CKA_ALWAYS_AUTHENTICATE)?.[0] === 1,
  };
}

/** The `alg` of a JWK chooses the algorithm, if the caller hasn't. */
function importGivenKey(publicKey: Uint8Array | PublicKeyMembers, choice: PublicKeyChoice): ImportedPublicKey {
  if (publicKey instanceof Uint8Array) return importKey(publicKey, choice);
  return importKey(publicMembers(publicKey), { ...choice, algorithm: choice.algorithm ?? publicKey.alg });
}

/** A private key, and the algorithms that it can sign with. */
export interface SigningKey {
  readonly key: FoundObject;
  readonly algorithms: readonly Algorithm[];
}

/** Yields the private keys in portions, with the algorithms that each can sign with. */
export function* findSigningKeys(
  lib: Cryptoki,
  session: Handle,
  selector: KeySelector,
  mechanisms: readonly number[],
): Generator<SigningKey[]> {
  for (const keys of findObjectsInPortions(lib, session, CKO_PRIVATE_KEY, selector, ...PRIVATE))
    yield keys.map((key) => ({ key, algorithms: algorithmsOf(lib, session, key, mechanisms) }));
}

/**
 * Finds the private key, whether it can sign or not, with the attributes that tell its type.
 *
 * @throws {SignerError} With code `key-not-found` or `ambiguous-key`.
 */
export function findPrivateKey(lib: Cryptoki, session: Handle, selector: KeySelector): FoundObject {
  return onlyKey(lib, session, selector, findObjects(lib, session, CKO_PRIVATE_KEY, selector, ...PRIVATE));
}

function onlyKey(lib: Cryptoki, session: Handle, selector: KeySelector, keys: FoundObject[]): FoundObject {
  const [key] = keys;
  if (key && keys.length === 1) return key;
  const description = describeSelector(selector);
  if (key) {
    const message = `${keys.length} private keys have ${description}: ${listSome(keys.map(nameOf))}. Select one by its id.`;
    throw new SignerError("ambiguous-key", message);
  }
  const found = nameSome(lib, session, CKO_PRIVATE_KEY) || "no private key that this login can see";
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

function describeSelector({ label, id }: KeySelector): string {
  const members = [label && `label "${label}"`, id && `id ${idBytes(id).toString("hex")}`];
  return members.filter(Boolean).join(" and ");
}
