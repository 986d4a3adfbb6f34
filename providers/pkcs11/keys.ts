/** Keys on a token: found by label and id, refused where ambiguous, with a public half that is theirs beyond doubt. */
import { SignerError } from "../../src/errors.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import type { Cryptoki, Handle } from "./client.js";
import {
  CKA_ALWAYS_AUTHENTICATE,
  CKA_EC_PARAMS,
  CKA_KEY_TYPE,
  CKA_SIGN,
  CKK_EC,
  CKO_PRIVATE_KEY,
  CURVES,
  KEY_TYPES,
  P256_PARAMS,
} from "./cryptoki.js";
import { type FoundObject, findObjects, idBytes, type KeySelector, nameOf, readAttribute } from "./objects.js";
import { findPublicJwk } from "./public-key.js";
import { toNumber } from "./token.js";

/** A private key on the token, in a session in which it was found. */
export interface FoundKey extends FoundObject {
  readonly publicJwk: PublicJwk;
  /** `CKA_ALWAYS_AUTHENTICATE`: each signature needs the PIN. */
  readonly alwaysAuthenticate: boolean;
}

/**
 * @param publicJwk - the public half, for a token that does not keep it
 * @throws {SignerError} code `key-not-found`, `ambiguous-key` or `wrong-key`
 */
export function findKey(lib: Cryptoki, session: Handle, selector: KeySelector, publicJwk?: PublicJwk): FoundKey {
  const key = findPrivateKey(lib, session, selector);
  const problem = whyItCannotSign(lib, session, key);
  if (problem) throw new SignerError("wrong-key", `${nameOf(key)} ${problem}`);
  return {
    ...key,
    publicJwk: publicJwk ?? findPublicJwk(lib, session, key),
    alwaysAuthenticate: readAttribute(lib, session, key.handle, CKA_ALWAYS_AUTHENTICATE)?.[0] === 1,
  };
}

/** @returns the private keys that can sign ES256 */
export function findSigningKeys(lib: Cryptoki, session: Handle, selector: KeySelector): FoundObject[] {
  const keys = findObjects(lib, session, CKO_PRIVATE_KEY, selector);
  return keys.filter((key) => whyItCannotSign(lib, session, key) === undefined);
}

/** @throws {SignerError} code `key-not-found` or `ambiguous-key` */
export function findPrivateKey(lib: Cryptoki, session: Handle, selector: KeySelector): FoundObject {
  const keys = findObjects(lib, session, CKO_PRIVATE_KEY, selector);
  const [key] = keys;
  if (key && keys.length === 1) return key;
  const wanted = describeSelector(selector);
  if (key) {
    const message = `${keys.length} private keys have ${wanted}: ${keys.map(nameOf).join(", ")}. Select by id.`;
    throw new SignerError("ambiguous-key", message);
  }
  const others = findObjects(lib, session, CKO_PRIVATE_KEY, {}).map(nameOf).join(", ");
  const found = others || "no private key that this login can see";
  const remedy = "Is it yet to be made? Then make it: hardproof keygen.";
  throw new SignerError("key-not-found", `The token has no private key with ${wanted}. It has ${found}. ${remedy}`);
}

function whyItCannotSign(lib: Cryptoki, session: Handle, key: FoundObject): string | undefined {
  const read = (type: number) => readAttribute(lib, session, key.handle, type);
  const keyType = read(CKA_KEY_TYPE);
  const found = keyType && toNumber(keyType) !== CKK_EC ? typeName(toNumber(keyType)) : curveName(read(CKA_EC_PARAMS));
  if (found !== undefined) return `is ${found}; ES256 needs an EC key on P-256.`;
  return read(CKA_SIGN)?.[0] === 0 ? "may not sign (CKA_SIGN)." : undefined;
}

/** @returns `undefined` for P-256, and for a token that does not say */
function curveName(parameters: Buffer | undefined): string | undefined {
  const curve = parameters?.toString("hex") ?? P256_PARAMS;
  return curve === P256_PARAMS ? undefined : `an EC key on ${CURVES[curve] ?? `curve ${curve}`}`;
}

function typeName(type: number): string {
  return `an ${KEY_TYPES[type] ?? `unknown (CKK ${type})`} key`;
}

function describeSelector({ label, id }: KeySelector): string {
  const wanted = [label && `label "${label}"`, id && `id ${idBytes(id).toString("hex")}`];
  return wanted.filter(Boolean).join(" and ");
}
