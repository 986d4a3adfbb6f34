/** Creates and lists key pairs on a token. Runs in a worker. */
import { SignerError } from "../../src/errors.js";
import { type Algorithm, type AlgorithmName, ES256 } from "../../src/jose/algorithms.js";
import { algorithmNamed, isAvailable } from "../../src/jose/find-algorithm.js";
import { type Attribute, bool, type Cryptoki, type Handle } from "./binding.js";
import {
  CKA_DECRYPT,
  CKA_DERIVE,
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
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
} from "./constants.js";
import { usesTpm } from "./evidence.js";
import { algorithmsOfToken } from "./key-algorithms.js";
import { findSigningKeys, type SigningKey } from "./keys.js";
import { listSome } from "./list-some.js";
import { TOKEN_ALGORITHMS, type TokenAlgorithm } from "./mechanisms.js";
import { type FoundObject, findObjects, type KeySelector, nameOf, readAttributes } from "./objects.js";
import type { KeySpec, ListedKey } from "./protocol.js";
import { returnValue } from "./return-values.js";
import type { Token } from "./token.js";

/**
 * Creates a key pair for the algorithm of the spec: sensitive, never extractable, and only for signing. Both keys get the
 * same label and id.
 *
 * @throws {SignerError} With code `ambiguous-key` if the token already has an object with that label or id;
 *   `misconfigured` if the token can't create such a key or sign with it.
 */
export function generateKeyPair(
  lib: Cryptoki,
  session: Handle,
  { selector: name, algorithm = ES256.alg }: KeySpec,
  { slot }: Token,
): void {
  rejectDuplicates(lib, session, name, 0);
  rejectUnsupported(algorithm, lib.C_GetMechanismList(slot));
  const pair = generate(lib, session, name, algorithmNamed(algorithm));
  try {
    // Another program may have created a key pair with this name at the same time. Then each program deletes its own.
    rejectDuplicates(lib, session, name, 1);
    rejectExtractable(lib, session, pair.privateKey);
  } catch (error) {
    for (const key of [pair.publicKey, pair.privateKey]) lib.C_DestroyObject(session, key);
    throw error;
  }
}

/** Yields the private keys on the token that can sign, once for each algorithm, or only for the spec's algorithm. */
export function* listKeys(
  lib: Cryptoki,
  session: Handle,
  spec: KeySpec,
  { label, serial, slot }: Token,
): Generator<ListedKey[]> {
  const token = { label, serial: serial || undefined };
  for (const keys of findSigningKeys(lib, session, spec.selector, lib.C_GetMechanismList(slot)))
    yield keys.flatMap((signingKey) =>
      algorithmsToList(signingKey, spec).map((algorithm) => ({ token, key: selectorOf(signingKey.key), algorithm })),
    );
}

/** `undefined` stands for the one algorithm of a key whose curve the token doesn't report. */
function algorithmsToList({ algorithms }: SigningKey, { algorithm }: KeySpec): ListedKey["algorithm"][] {
  const names = algorithms.filter(isAvailable).map(({ alg }) => alg);
  const requested = names.filter((alg) => algorithm === undefined || alg === algorithm);
  const isUnreported = algorithms.every(({ kty }) => kty !== "RSA") && requested.length > 1;
  return isUnreported ? [undefined] : requested;
}

function selectorOf(key: FoundObject): KeySelector {
  return { label: readableLabel(key), id: key.id.length > 0 ? key.id : undefined };
}

/** Returns the label; `undefined` if it is empty, or isn't UTF-8 so that a URI can't contain it. */
function readableLabel({ label, attributes }: FoundObject): string | undefined {
  const isUtf8 = attributes.get(CKA_LABEL)?.equals(Buffer.from(label)) ?? true;
  return isUtf8 && label !== "" ? label : undefined;
}

/**
 * Rejects a label or an id that other keys have too.
 *
 * @param allowed - How many private keys, and how many public keys, may have it.
 */
function rejectDuplicates(lib: Cryptoki, session: Handle, { label, id }: KeySelector, allowed: number): void {
  const selectors: KeySelector[] = [{ id }, ...(label === undefined ? [] : [{ label }])];
  for (const objectClass of [CKO_PRIVATE_KEY, CKO_PUBLIC_KEY])
    for (const selector of selectors) {
      const found = findObjects(lib, session, objectClass, selector);
      if (found.length <= allowed) continue;
      const attribute = selector.id === undefined ? "label" : "id";
      const remedy = `Open it (openSigner, hardproof show), or choose another ${attribute}.`;
      throw new SignerError("ambiguous-key", `The token already has ${listSome(found.map(nameOf))}. ${remedy}`);
    }
}

/** A key that the token can make, but not sign with, would be of no use. */
function rejectUnsupported(algorithm: AlgorithmName, mechanisms: readonly number[]): void {
  const { signing, name } = TOKEN_ALGORITHMS[algorithm];
  if (mechanisms.includes(signing.type)) return;
  const supported = algorithmsOfToken(mechanisms).join(", ") || "none";
  const problem = `The token can't sign with ${algorithm}: it doesn't support ${name}.`;
  throw new SignerError("misconfigured", `${problem} Algorithms that it supports: ${supported}.`);
}

/** What some tokens allow unless the template forbids it. Other tokens reject a template that contains these attributes. */
const FORBIDDEN = [CKA_EXTRACTABLE, CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER];
const REJECTED_TEMPLATE =
  /^CKR_(TEMPLATE_INCONSISTENT|TEMPLATE_INCOMPLETE|ATTRIBUTE_TYPE_INVALID|ATTRIBUTE_VALUE_INVALID)$/;
const UNSUPPORTED_KEY = /^CKR_(FUNCTION_NOT_SUPPORTED|MECHANISM_INVALID|CURVE_NOT_SUPPORTED|DOMAIN_PARAMS_INVALID)$/;
const VENDOR_TOOL =
  "Create the key with the vendor's tool (such as pkcs11-tool or ykman piv keys generate), then open it here.";

/** Generates the key pair with the strictest template that the token accepts. */
function generate(lib: Cryptoki, session: Handle, name: KeySelector, algorithm: Algorithm) {
  const templates = usesTpm(lib.C_GetInfo()) ? [[]] : [FORBIDDEN, [CKA_EXTRACTABLE], []];
  const row = TOKEN_ALGORITHMS[algorithm.alg];
  let lastError: unknown;
  for (const forbidden of templates)
    try {
      const keys = [publicTemplate(name, row), privateTemplate(name, forbidden)] as const;
      return lib.C_GenerateKeyPair(session, row.generation, ...keys);
    } catch (error) {
      lastError = error;
      if (!REJECTED_TEMPLATE.test(returnValue(error) ?? "")) break;
    }
  throw generationError(lastError, algorithm);
}

function generationError(cause: unknown, algorithm: Algorithm): unknown {
  const value = returnValue(cause) ?? "";
  if (value === "CKR_USER_TYPE_INVALID")
    return new SignerError(
      "access-denied",
      `Only the security officer can create keys on this token (${value}). ${VENDOR_TOOL}`,
      { cause },
    );
  if (!REJECTED_TEMPLATE.test(value) && !UNSUPPORTED_KEY.test(value)) return cause;
  return new SignerError(
    "misconfigured",
    `The token can't create ${algorithm.needs} that is only for signing (${value}). ${VENDOR_TOOL}`,
    { cause },
  );
}

function rejectExtractable(lib: Cryptoki, session: Handle, key: Handle): void {
  const attributes = readAttributes(lib, session, key, [[CKA_SENSITIVE, CKA_EXTRACTABLE]]);
  if (attributes.get(CKA_SENSITIVE)?.[0] !== 0 && attributes.get(CKA_EXTRACTABLE)?.[0] !== 1) return;
  const problem = "The token created an extractable key, which was deleted again.";
  throw new SignerError("misconfigured", `${problem} ${VENDOR_TOOL}`);
}

function publicTemplate(name: KeySelector, row: TokenAlgorithm): Attribute[] {
  return [
    ...nameTemplate(name),
    { type: CKA_TOKEN, value: bool(true) },
    { type: CKA_VERIFY, value: bool(true) },
    ...row.publicTemplate,
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
  const labels = label === undefined ? [] : [{ type: CKA_LABEL, value: Buffer.from(label) }];
  return [{ type: CKA_ID, value: Buffer.from(id) }, ...labels];
}
