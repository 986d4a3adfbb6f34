/** Objects on a token: found by class, label and id, and read one attribute at a time. */
import { SignerError } from "../../src/errors.js";
import { type Cryptoki, type Handle, returnValue } from "./client.js";
import { CKA_CLASS, CKA_ID, CKA_LABEL } from "./cryptoki.js";

/** Label, id, or both: what is given must match. */
export interface KeySelector {
  label?: string | undefined;
  /** `CKA_ID`: bytes, or hex. */
  id?: string | Uint8Array | undefined;
}

export interface FoundObject {
  readonly handle: Handle;
  readonly label: string;
  readonly id: Buffer;
}

/** How many handles one `C_FindObjects` may return. */
const BATCH = 100;

/** @throws what the library throws */
export function findObjects(
  lib: Cryptoki,
  session: Handle,
  objectClass: number,
  { label, id }: KeySelector,
): FoundObject[] {
  const template = [
    { type: CKA_CLASS, value: objectClass },
    ...(label === undefined ? [] : [{ type: CKA_LABEL, value: label }]),
    ...(id === undefined ? [] : [{ type: CKA_ID, value: idBytes(id) }]),
  ];
  return findHandles(lib, session, template).map((handle) => ({
    handle,
    label: readAttribute(lib, session, handle, CKA_LABEL)?.toString("utf8") ?? "",
    id: readAttribute(lib, session, handle, CKA_ID) ?? Buffer.alloc(0),
  }));
}

function findHandles(lib: Cryptoki, session: Handle, template: { type: number; value: number | string | Buffer }[]) {
  lib.C_FindObjectsInit(session, template);
  try {
    const handles: Handle[] = [];
    let batch: Handle[];
    do {
      batch = lib.C_FindObjects(session, BATCH);
      handles.push(...batch);
    } while (batch.length > 0);
    return handles;
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
    if (/^CKR_ATTRIBUTE_(TYPE_INVALID|SENSITIVE)$/.test(returnValue(error) ?? "")) return undefined;
    throw error;
  }
}

/** How an object is called in errors. */
export function nameOf({ label, id }: { label: string; id: Uint8Array }): string {
  return `"${label}" (id ${Buffer.from(id).toString("hex") || "none"})`;
}

/** @throws {SignerError} code `misconfigured` if it is no hex */
export function idBytes(id: string | Uint8Array): Buffer {
  if (typeof id !== "string") return Buffer.from(id);
  if (/^([0-9a-f]{2})+$/i.test(id)) return Buffer.from(id, "hex");
  throw new SignerError("misconfigured", "A key's id must be given as bytes, or as hex of whole bytes.");
}
