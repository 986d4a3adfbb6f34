/** Keys on a token: found by label and id, refused where ambiguous, with a public half that is theirs beyond doubt. */
import { jwkFromEcPoint } from "../../src/ecdsa.js";
import { SignerError } from "../../src/errors.js";
import type { PublicJwk } from "../../src/signer.js";
import type { Cryptoki, Handle } from "./client.js";
import {
  CKA_ALWAYS_AUTHENTICATE,
  CKA_CLASS,
  CKA_EC_PARAMS,
  CKA_EC_POINT,
  CKA_ID,
  CKA_KEY_TYPE,
  CKA_LABEL,
  CKA_SIGN,
  CKK_EC,
  CKO_PRIVATE_KEY,
  CKO_PUBLIC_KEY,
  CURVES,
  KEY_TYPES,
  P256_PARAMS,
} from "./cryptoki.js";
import { toNumber } from "./token.js";

/** Label, id, or both: what is given must match. */
export interface KeySelector {
  label?: string | undefined;
  /** `CKA_ID`: bytes, or hex. */
  id?: string | Uint8Array | undefined;
}

/** A private key on the token, in a session in which it was found. */
export interface FoundKey {
  readonly handle: Handle;
  readonly label: string;
  readonly id: Buffer;
  readonly publicJwk: PublicJwk;
  /** `CKA_ALWAYS_AUTHENTICATE`: each signature needs the PIN. */
  readonly alwaysAuthenticate: boolean;
}

const MOST_MATCHES = 100;

/**
 * @param publicJwk - the public half, for a token that does not keep it
 * @throws {SignerError} code `key-not-found`, `ambiguous-key` or `wrong-key`
 */
export function findKey(lib: Cryptoki, session: Handle, selector: KeySelector, publicJwk?: PublicJwk): FoundKey {
  const { handle, label, id } = findPrivateKey(lib, session, selector);
  const read = (type: number) => readAttribute(lib, session, handle, type);
  const keyType = read(CKA_KEY_TYPE);
  if (keyType && toNumber(keyType) !== CKK_EC) throw wrongKey(label, id, nameOfType(toNumber(keyType)));
  checkCurve(label, id, read(CKA_EC_PARAMS));
  if (read(CKA_SIGN)?.[0] === 0) throw new SignerError("wrong-key", `${name(label, id)} may not sign (CKA_SIGN).`);
  return {
    handle,
    label,
    id,
    publicJwk: publicJwk ?? findPublicJwk(lib, session, label, id),
    alwaysAuthenticate: read(CKA_ALWAYS_AUTHENTICATE)?.[0] === 1,
  };
}

interface FoundObject {
  readonly handle: Handle;
  readonly label: string;
  readonly id: Buffer;
}

function findPrivateKey(lib: Cryptoki, session: Handle, selector: KeySelector): FoundObject {
  const keys = findObjects(lib, session, CKO_PRIVATE_KEY, selector);
  const [key] = keys;
  if (key && keys.length === 1) return key;
  const wanted = [
    selector.label && `label "${selector.label}"`,
    selector.id && `id ${idBytes(selector.id).toString("hex")}`,
  ];
  const description = wanted.filter(Boolean).join(" and ");
  if (key) {
    const list = keys.map(({ label, id }) => name(label, id)).join(", ");
    throw new SignerError("ambiguous-key", `${keys.length} private keys have ${description}: ${list}. Select by id.`);
  }
  const others = findObjects(lib, session, CKO_PRIVATE_KEY, {}).map(({ label, id }) => name(label, id));
  const list = others.length > 0 ? others.join(", ") : "no private key that this login can see";
  throw new SignerError("key-not-found", `The token has no private key with ${description}. It has ${list}.`);
}

/** By the private key's own id. A token that gives its keys none leaves the label, and then it must be the only one. */
function findPublicJwk(lib: Cryptoki, session: Handle, label: string, id: Buffer): PublicJwk {
  const objects = findObjects(lib, session, CKO_PUBLIC_KEY, id.length > 0 ? { id } : { label });
  const points = new Map<string, PublicJwk>();
  for (const { handle } of objects) {
    checkCurve(label, id, readAttribute(lib, session, handle, CKA_EC_PARAMS));
    const point = readAttribute(lib, session, handle, CKA_EC_POINT);
    if (point) points.set(point.toString("hex"), jwkFromEcPoint(point));
  }
  const [jwk] = points.values();
  if (jwk && points.size === 1) return jwk;
  if (jwk) throw new SignerError("ambiguous-key", `${points.size} public keys go with ${name(label, id)}.`);
  const remedy = "Write its public key object with the vendor's tool.";
  throw new SignerError("key-not-found", `The token has no public key object for ${name(label, id)}. ${remedy}`);
}

function findObjects(lib: Cryptoki, session: Handle, objectClass: number, selector: KeySelector): FoundObject[] {
  const template = [{ type: CKA_CLASS, value: objectClass }];
  const label = selector.label === undefined ? [] : [{ type: CKA_LABEL, value: selector.label }];
  const id = selector.id === undefined ? [] : [{ type: CKA_ID, value: idBytes(selector.id) }];
  lib.C_FindObjectsInit(session, [...template, ...label, ...id]);
  try {
    return lib.C_FindObjects(session, MOST_MATCHES).map((handle) => ({
      handle,
      label: readAttribute(lib, session, handle, CKA_LABEL)?.toString("utf8") ?? "",
      id: readAttribute(lib, session, handle, CKA_ID) ?? Buffer.alloc(0),
    }));
  } finally {
    lib.C_FindObjectsFinal(session);
  }
}

/** One at a time: one attribute that the token does not have fails a whole batch. */
export function readAttribute(lib: Cryptoki, session: Handle, object: Handle, type: number): Buffer | undefined {
  try {
    const value = lib.C_GetAttributeValue(session, object, [{ type }])[0]?.value;
    return Buffer.isBuffer(value) ? value : undefined;
  } catch (error) {
    if (error instanceof Error && /^CKR_ATTRIBUTE_(TYPE_INVALID|SENSITIVE)$/.test(error.message)) return undefined;
    throw error;
  }
}

function checkCurve(label: string, id: Buffer, parameters: Buffer | undefined): void {
  const curve = parameters?.toString("hex") ?? P256_PARAMS;
  if (curve !== P256_PARAMS) throw wrongKey(label, id, `an EC key on ${CURVES[curve] ?? `curve ${curve}`}`);
}

function wrongKey(label: string, id: Buffer, found: string): SignerError {
  return new SignerError("wrong-key", `${name(label, id)} is ${found}; ES256 needs an EC key on P-256.`);
}

function nameOfType(type: number): string {
  return `an ${KEY_TYPES[type] ?? `unknown (CKK ${type})`} key`;
}

function name(label: string, id: Buffer): string {
  return `"${label}" (id ${id.toString("hex") || "none"})`;
}

/** @throws {SignerError} code `misconfigured` if it is no hex */
export function idBytes(id: string | Uint8Array): Buffer {
  if (typeof id !== "string") return Buffer.from(id);
  if (/^([0-9a-f]{2})+$/i.test(id)) return Buffer.from(id, "hex");
  throw new SignerError("misconfigured", "A key's id must be given as bytes, or as hex of whole bytes.");
}
