/** Finds objects on a token by a template, and reads their attributes with as few calls as the token allows. */

import { SignerError } from "../../src/errors.js";
import { type Attribute, bool, type Cryptoki, type Handle, ulong } from "./binding.js";
import { CKA_CLASS, CKA_ID, CKA_LABEL, CKA_TOKEN } from "./constants.js";
import { listSome, MAX_NAMES } from "./list-some.js";
import { returnValue } from "./return-values.js";
import { printable } from "./token.js";

/** Selects a key by label, id, or both: what is set must match. */
export interface KeySelector {
  /** `CKA_LABEL`. */
  label?: string | undefined;
  /** `CKA_ID`: bytes, or hex. */
  id?: string | Uint8Array | undefined;
}

/** An object in the session in which it was found, and the attributes that were read. */
export interface FoundObject {
  readonly handle: Handle;
  readonly label: string;
  readonly id: Buffer;
  /** By type. An attribute that the object doesn't have, or doesn't disclose, is missing. */
  readonly attributes: ReadonlyMap<number, Buffer>;
}

/** The most handles that one call of `C_FindObjects` returns. */
const BATCH = 100;
/** More objects than any token has: a library that returns more never ends its list. */
const MAX_OBJECTS = 100_000;

/**
 * Finds objects that are stored on the token. Session objects are ignored: they are other programs' temporary copies.
 *
 * @param objectClass - `undefined` for any class.
 * @param types - Lists of attributes to read in addition to label and id. The lists are tried one after the other, and then
 *   each attribute on its own, because an attribute that an object doesn't have can fail a whole call.
 */
export function findObjects(
  lib: Cryptoki,
  session: Handle,
  objectClass: number | undefined,
  { label, id }: KeySelector,
  ...types: readonly (readonly number[])[]
): FoundObject[] {
  return findHandles(lib, session, templateOf(objectClass, { label, id })).map(objectReader(lib, session, types));
}

/**
 * Names the token's objects of a class, for error messages: at most ten, and the number of the others.
 *
 * @returns An empty string if there are none.
 */
export function nameSome(lib: Cryptoki, session: Handle, objectClass: number): string {
  const handles = findHandles(lib, session, templateOf(objectClass, {}));
  // A token can have thousands, and reading them takes a while.
  return listSome(handles.slice(0, MAX_NAMES).map(objectReader(lib, session)).map(nameOf), handles.length);
}

/**
 * Finds objects as {@link findObjects} does, in portions: the search goes on between them, so the session can't have another one.
 * Leaves out objects that were deleted since the search began.
 */
export function* findObjectsInPortions(
  lib: Cryptoki,
  session: Handle,
  objectClass: number,
  selector: KeySelector,
  ...types: readonly (readonly number[])[]
): Generator<FoundObject[]> {
  const read = objectReader(lib, session, types);
  for (const handles of portionsOfHandles(lib, session, templateOf(objectClass, selector)))
    yield handles.flatMap((handle) => {
      try {
        return [read(handle)];
      } catch (error) {
        if (returnValue(error) === "CKR_OBJECT_HANDLE_INVALID") return [];
        throw error;
      }
    });
}

function templateOf(objectClass: number | undefined, { label, id }: KeySelector): Attribute[] {
  return [
    { type: CKA_TOKEN, value: bool(true) },
    ...(objectClass === undefined ? [] : [{ type: CKA_CLASS, value: ulong(objectClass) }]),
    ...(label === undefined ? [] : [{ type: CKA_LABEL, value: Buffer.from(label) }]),
    ...(id === undefined ? [] : [{ type: CKA_ID, value: idBytes(id) }]),
  ];
}

function objectReader(lib: Cryptoki, session: Handle, types: readonly (readonly number[])[] = []) {
  const lists = (types.length === 0 ? [[]] : types).map((list) => [CKA_LABEL, CKA_ID, ...list]);
  return (handle: Handle): FoundObject => {
    const attributes = readAttributes(lib, session, handle, lists);
    // The other object of a key pair has the attributes of another list.
    lists.sort((one, other) => Number(isComplete(attributes, one)) - Number(isComplete(attributes, other)));
    const label = attributes.get(CKA_LABEL)?.toString("utf8") ?? "";
    return { handle, label, id: attributes.get(CKA_ID) ?? Buffer.alloc(0), attributes };
  };
}

function findHandles(lib: Cryptoki, session: Handle, template: readonly Attribute[]): Handle[] {
  return [...portionsOfHandles(lib, session, template)].flat();
}

function* portionsOfHandles(lib: Cryptoki, session: Handle, template: readonly Attribute[]): Generator<Handle[]> {
  lib.C_FindObjectsInit(session, template);
  const handles = new Set<Handle>();
  for (;;) {
    const batch = lib.C_FindObjects(session, BATCH);
    const before = handles.size;
    for (const handle of batch) handles.add(handle);
    if (handles.size - before < batch.length || handles.size > MAX_OBJECTS)
      throw new SignerError(
        "unavailable",
        "The library's C_FindObjects returns the same objects repeatedly, so the search never ends. Report this to its vendor.",
      );
    const isLast = batch.length < BATCH;
    if (isLast) lib.C_FindObjectsFinal(session);
    yield batch;
    if (isLast) return;
  }
}

function isComplete(attributes: ReadonlyMap<number, Buffer>, types: readonly number[]): boolean {
  return types.every((type) => attributes.has(type));
}

/** Reads the first list of which the object has all attributes; or else each attribute of all lists. */
export function readAttributes(
  lib: Cryptoki,
  session: Handle,
  object: Handle,
  lists: readonly (readonly number[])[],
): Map<number, Buffer> {
  for (const types of lists) {
    const values = readAll(lib, session, object, types);
    if (values) return values;
  }
  const attributes = new Map<number, Buffer>();
  for (const type of new Set(lists.flat()))
    for (const [, value] of readAll(lib, session, object, [type]) ?? []) attributes.set(type, value);
  return attributes;
}

/** @returns `undefined` if an attribute is missing and the library fails the whole call because of it. */
function readAll(lib: Cryptoki, session: Handle, object: Handle, types: readonly number[]) {
  try {
    const values = lib.C_GetAttributeValue(session, object, types);
    const present = types.flatMap((type, index): [number, Buffer][] => {
      const value = values[index];
      return value === undefined ? [] : [[type, value]];
    });
    return new Map(present);
  } catch (error) {
    if (/^CKR_ATTRIBUTE_(TYPE_INVALID|SENSITIVE)$/.test(returnValue(error) ?? "")) return undefined;
    throw error;
  }
}

/** Returns the object's label and id, for error messages. */
export function nameOf({ label, id }: { label: string; id: Uint8Array }): string {
  return `"${printable(label)}" (id ${Buffer.from(id).toString("hex") || "none"})`;
}

/**
 * Returns the bytes of an id.
 *
 * @param id - Bytes, or hex.
 * @throws {SignerError} With code `misconfigured` if a string isn't hex.
 */
export function idBytes(id: string | Uint8Array): Buffer {
  if (typeof id !== "string") return Buffer.from(id);
  if (/^([0-9a-f]{2})+$/i.test(id)) return Buffer.from(id, "hex");
  throw new SignerError("misconfigured", "A key's id must be bytes, or an even number of hex digits.");
}
