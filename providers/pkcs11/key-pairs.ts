/** Key pairs on a token, in a worker: made so that they can't leave the token, listed, and deleted. */
import { SignerError } from "../../src/errors.js";
import { type Attribute, bool, type Cryptoki, type Handle } from "./binding.js";
import {
  CKA_DECRYPT,
  CKA_DERIVE,
  CKA_EC_PARAMS,
  CKA_EXTRACTABLE,
  CKA_ID,
  CKA_LABEL,
  CKA_PRIVATE,
  CKA_SENSITIVE,
  CKA_SIGN,
  CKA_SIGN_RECOVER,
  CKA_TOKEN,
  CKA_UNWRAP,
  CKA_VERIFY,
  CKM_EC_KEY_PAIR_GEN,
  CKM_ECDSA,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  P256_PARAMS,
} from "./constants.js";
import { speaksToTpm } from "./evidence.js";
import { findPrivateKey, findSigningKeys } from "./keys.js";
import { type FoundObject, findObjects, type KeySelector, nameOf, readAttributes } from "./objects.js";
import type { KeySpec, ListedKey } from "./protocol.js";
import { returnValue } from "./return-values.js";
import type { Token } from "./token.js";

/**
 * Makes a P-256 key pair: sensitive, never extractable, and only for signing. Both halves get the same label and id.
 *
 * @throws {SignerError} With code `ambiguous-key` if the token already has an object with that label or id.
 */
export function generateKeyPair(lib: Cryptoki, session: Handle, { selector: name }: KeySpec): void {
  refuseTaken(lib, session, name, 0);
  const halves = generate(lib, session, name);
  try {
    // Another program may have made one of that name at the same time: then neither keeps its own.
    refuseTaken(lib, session, name, 1);
    refuseExtractable(lib, session, halves.privateKey);
  } catch (error) {
    for (const half of [halves.publicKey, halves.privateKey]) lib.C_DestroyObject(session, half);
    throw error;
  }
}

/** Returns the private keys on the token that can sign ES256. */
export function listKeys(lib: Cryptoki, session: Handle, { selector }: KeySpec, token: Token): ListedKey[] {
  const { label, serial, slot } = token;
  if (!lib.C_GetMechanismList(slot).includes(CKM_ECDSA)) return [];
  return findSigningKeys(lib, session, selector).map((key) => ({
    token: { label, serial: serial || undefined },
    key: { label: readableLabel(key), id: key.id.length > 0 ? key.id : undefined },
  }));
}

/** A label that isn't UTF-8 can't be part of a URI that selects the key. */
function readableLabel({ label, attributes }: FoundObject): string | undefined {
  const isUtf8 = attributes.get(CKA_LABEL)?.equals(Buffer.from(label)) ?? true;
  return isUtf8 && label !== "" ? label : undefined;
}

/**
 * Deletes both halves of a key pair. Certificates stay.
 *
 * @throws {SignerError} With code `key-not-found` or `ambiguous-key`: nothing was deleted.
 */
export function deleteKeyPair(lib: Cryptoki, session: Handle, { selector }: KeySpec): void {
  const { handle } = findPrivateKey(lib, session, selector);
  const byId = { id: selector.id };
  const others = findObjects(lib, session, CKO_PRIVATE_KEY, byId).length > 1;
  const publicHalves = others ? [] : findObjects(lib, session, CKO_PUBLIC_KEY, byId);
  for (const object of [handle, ...publicHalves.map((half) => half.handle)]) lib.C_DestroyObject(session, object);
}

/** Neither half may share its label or its id with another object of its class. */
function refuseTaken(lib: Cryptoki, session: Handle, { label, id }: KeySelector, most: number): void {
  const selectors: KeySelector[] = [{ id }, ...(label === undefined ? [] : [{ label }])];
  for (const objectClass of [CKO_PRIVATE_KEY, CKO_PUBLIC_KEY])
    for (const selector of selectors) {
      const found = findObjects(lib, session, objectClass, selector);
      if (found.length <= most) continue;
      const another = selector.id === undefined ? "label" : "id";
      const remedy = `Open it (openSigner, hardproof show), or choose another ${another}.`;
      throw new SignerError("ambiguous-key", `The token has ${found.map(nameOf).join(" and ")} already. ${remedy}`);
    }
}

/** Usages that some tokens allow unless the template forbids them. Others refuse a template that mentions them. */
const FORBIDDEN = [CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER];
const REFUSED_TEMPLATE =
  /^CKR_(TEMPLATE_INCONSISTENT|TEMPLATE_INCOMPLETE|ATTRIBUTE_TYPE_INVALID|ATTRIBUTE_VALUE_INVALID)$/;
const REFUSED_KEY = /^CKR_(FUNCTION_NOT_SUPPORTED|MECHANISM_INVALID|CURVE_NOT_SUPPORTED|DOMAIN_PARAMS_INVALID)$/;
const VENDOR_TOOL =
  "Make the key with the vendor's tool (such as pkcs11-tool, ykman piv keys generate), and open it here.";

function generate(lib: Cryptoki, session: Handle, name: KeySelector) {
  const templates = speaksToTpm(lib.C_GetInfo()) ? [[]] : [FORBIDDEN, [CKA_EXTRACTABLE], []];
  let refusal: unknown;
  for (const forbidden of templates)
    try {
      const halves = [publicTemplate(name), privateTemplate(name, forbidden)] as const;
      return lib.C_GenerateKeyPair(session, CKM_EC_KEY_PAIR_GEN, ...halves);
    } catch (error) {
      refusal = error;
      if (!REFUSED_TEMPLATE.test(returnValue(error) ?? "")) break;
    }
  throw generationError(refusal);
}

function generationError(cause: unknown): unknown {
  const value = returnValue(cause) ?? "";
  if (value === "CKR_USER_TYPE_INVALID")
    return new SignerError(
      "access-denied",
      `Only the security officer makes keys on this token (${value}). ${VENDOR_TOOL}`,
      { cause },
    );
  if (!REFUSED_TEMPLATE.test(value) && !REFUSED_KEY.test(value)) return cause;
  return new SignerError("misconfigured", `The token doesn't make such a key (${value}). ${VENDOR_TOOL}`, { cause });
}

function refuseExtractable(lib: Cryptoki, session: Handle, key: Handle): void {
  const attributes = readAttributes(lib, session, key, [[CKA_SENSITIVE, CKA_EXTRACTABLE]]);
  if (attributes.get(CKA_SENSITIVE)?.[0] !== 0 && attributes.get(CKA_EXTRACTABLE)?.[0] !== 1) return;
  const problem = "The token made a key that can leave it, and the key was deleted.";
  throw new SignerError("misconfigured", `${problem} ${VENDOR_TOOL}`);
}

function publicTemplate(name: KeySelector): Attribute[] {
  return [
    ...nameTemplate(name),
    { type: CKA_TOKEN, value: bool(true) },
    { type: CKA_VERIFY, value: bool(true) },
    { type: CKA_EC_PARAMS, value: Buffer.from(P256_PARAMS, "hex") },
  ];
}

function privateTemplate(name: KeySelector, forbidden: readonly number[]): Attribute[] {
  const required = [CKA_TOKEN, CKA_PRIVATE, CKA_SENSITIVE, CKA_SIGN];
  return [
    ...nameTemplate(name),
    ...required.map((type) => ({ type, value: bool(true) })),
    ...forbidden.map((type) => ({ type, value: bool(false) })),
  ];
}

function nameTemplate({ label, id = Buffer.alloc(0) }: KeySelector): Attribute[] {
  const named = label === undefined ? [] : [{ type: CKA_LABEL, value: Buffer.from(label) }];
  return [{ type: CKA_ID, value: Buffer.from(id) }, ...named];
}
