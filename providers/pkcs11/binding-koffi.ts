/** Calls the PKCS#11 functions through koffi, which doesn't need a compiler. */
import type { LibraryHandle } from "koffi";
import { resolveInstalled } from "../../src/keystore/installed-package.js";
import {
  type Attribute,
  type Binding,
  type Cryptoki,
  fromUlong,
  type Handle,
  type Mechanism,
  ULONG_BYTES,
  ulong,
} from "./binding.js";
import { defineTypes, Fields, type Koffi, PARAMETERS } from "./koffi-types.js";
import { Pkcs11Error } from "./return-values.js";

type KoffiFunction = ReturnType<LibraryHandle["func"]>;

const CKR_OK = 0x00;
const CKR_BUFFER_TOO_SMALL = 0x150;
/** Bytes to read an attribute's value into. Only certificates are longer, and only NSS requires the exact length. */
const VALUE_BYTES = 512;
/** Bytes. A longer attribute is reported as unavailable. */
const MAX_VALUE_BYTES = 65_536;
const MAX_SLOTS = 256;
const MAX_MECHANISMS = 1024;

/** Loads koffi. */
export function loadKoffi(): Binding {
  const koffi = requireKoffi();
  defineTypes(koffi);
  return { name: "koffi", load: (path) => new KoffiCryptoki(koffi, koffi.load(path)) };
}

function requireKoffi(): Koffi {
  const { createRequire } = process.getBuiltinModule("node:module");
  const path = resolveInstalled("koffi");
  try {
    return createRequire(path)(path);
  } catch (error) {
    throw error instanceof Error ? error : new Error(String(error));
  }
}

class KoffiCryptoki implements Cryptoki {
  readonly #koffi: Koffi;
  readonly #functions: Readonly<Record<string, KoffiFunction>>;
  readonly #mechanisms = new Map<Mechanism, unknown>();
  readonly #length = ulong(0);

  constructor(koffi: Koffi, library: LibraryHandle) {
    this.#koffi = koffi;
    const list: [unknown] = [null];
    check(library.func("C_GetFunctionList", "CK_ULONG", [koffi.out("void **")])(list));
    const pointers = koffi.decode(list[0], "CK_FUNCTION_LIST");
    const entries = Object.entries(PARAMETERS).map(([name, parameters]) => {
      const type = koffi.proto("CK_ULONG", parameters.split(", "));
      return [name, koffi.decode(pointers[name], type)];
    });
    this.#functions = Object.fromEntries(entries);
  }

  C_Initialize(flags: number, libraryParameters: string | undefined): void {
    const parameters = libraryParameters === undefined ? null : Buffer.from(`${libraryParameters}\0`);
    const bytes = this.#koffi.alloc("CK_INITIALIZE_ARGS", 1);
    this.#koffi.encode(bytes, "CK_INITIALIZE_ARGS", { flags, LibraryParameters: parameters });
    this.#call("C_Initialize", bytes);
  }

  C_Finalize(): void {
    this.#call("C_Finalize", null);
  }

  C_GetInfo() {
    const info = new Fields(256);
    this.#call("C_GetInfo", info.bytes);
    info.version();
    const manufacturer = info.text(32);
    info.ulong();
    return { manufacturer, description: info.text(32), version: info.version() };
  }

  C_GetSlotList(): Handle[] {
    const slots = Buffer.alloc(MAX_SLOTS * ULONG_BYTES);
    return ulongs(
      slots,
      this.#count(MAX_SLOTS, (count) => this.#call("C_GetSlotList", 1, slots, count)),
    );
  }

  C_GetSlotInfo(slot: Handle): { flags: number } {
    const info = new Fields(256);
    this.#call("C_GetSlotInfo", slot, info.bytes);
    info.text(64);
    info.text(32);
    return { flags: info.ulong() };
  }

  C_GetTokenInfo(slot: Handle) {
    const info = new Fields(512);
    this.#call("C_GetTokenInfo", slot, info.bytes);
    const [label, manufacturer, model, serial] = [info.text(32), info.text(32), info.text(16), info.text(16)];
    const [flags, maxSessionCount] = [info.ulong(), info.ulong()];
    for (let skipped = 0; skipped < 9; skipped++) info.ulong();
    info.version();
    return { label, manufacturer, model, serial, flags, maxSessionCount, firmware: info.version() };
  }

  C_GetMechanismList(slot: Handle): number[] {
    const list = Buffer.alloc(MAX_MECHANISMS * ULONG_BYTES);
    const count = this.#count(MAX_MECHANISMS, (count) => this.#call("C_GetMechanismList", slot, list, count));
    return ulongs(list, count).map(Number);
  }

  C_OpenSession(slot: Handle, flags: number): Handle {
    const session = ulong(0);
    this.#call("C_OpenSession", slot, flags, null, null, session);
    return fromUlong(session);
  }

  C_CloseSession(session: Handle): void {
    this.#call("C_CloseSession", session);
  }

  C_GetSessionInfo(session: Handle): { state: number } {
    const info = new Fields(64);
    this.#call("C_GetSessionInfo", session, info.bytes);
    info.ulong();
    return { state: info.ulong() };
  }

  C_Login(session: Handle, user: number, pin: string | undefined): void {
    const bytes = pin === undefined ? null : Buffer.from(pin);
    this.#call("C_Login", session, user, bytes, bytes?.length ?? 0);
  }

  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void {
    this.#call("C_FindObjectsInit", session, template.map(toStructure), template.length);
  }

  C_FindObjects(session: Handle, max: number): Handle[] {
    const objects = Buffer.alloc(max * ULONG_BYTES);
    const count = ulong(0);
    this.#call("C_FindObjects", session, objects, max, count);
    return ulongs(objects, Number(fromUlong(count)));
  }

  C_FindObjectsFinal(session: Handle): void {
    this.#call("C_FindObjectsFinal", session);
  }

  C_GetAttributeValue(session: Handle, object: Handle, types: readonly number[]): (Buffer | undefined)[] {
    try {
      return this.#readValues(
        [session, object],
        types,
        types.map(() => VALUE_BYTES),
      );
    } catch (error) {
      if (!(error instanceof Pkcs11Error && error.code === CKR_BUFFER_TOO_SMALL)) throw error;
      return this.#readValues([session, object], types, this.#readLengths([session, object], types));
    }
  }

  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void {
    this.#call("C_SignInit", session, this.#mechanism(mechanism), key);
  }

  C_Sign(session: Handle, data: Uint8Array, length: number): Buffer {
    const signature = Buffer.alloc(length);
    ulong(length).copy(this.#length);
    // koffi passes an empty buffer as a null pointer, which SoftHSM rejects.
    const pointer = data.length === 0 ? signature : data;
    this.#call("C_Sign", session, pointer, data.length, signature, this.#length);
    return signature.subarray(0, Number(fromUlong(this.#length)));
  }

  C_GenerateKeyPair(
    session: Handle,
    mechanism: Mechanism,
    publicKey: readonly Attribute[],
    privateKey: readonly Attribute[],
  ): { publicKey: Handle; privateKey: Handle } {
    const templates = [publicKey, privateKey].flatMap((template) => [template.map(toStructure), template.length]);
    const handles = [ulong(0), ulong(0)] as const;
    this.#call("C_GenerateKeyPair", session, this.#mechanism(mechanism), ...templates, ...handles);
    return { publicKey: fromUlong(handles[0]), privateKey: fromUlong(handles[1]) };
  }

  C_DestroyObject(session: Handle, object: Handle): void {
    this.#call("C_DestroyObject", session, object);
  }

  #call(name: string, ...parameters: unknown[]): void {
    check(this.#functions[name]?.(...parameters));
  }

  #count(max: number, call: (count: Buffer) => void): number {
    const count = ulong(max);
    call(count);
    return Number(fromUlong(count));
  }

  /** Returns the mechanism in C memory. It is allocated once, because every signature needs it. */
  #mechanism(mechanism: Mechanism): unknown {
    const cached = this.#mechanisms.get(mechanism);
    if (cached) return cached;
    const allocated = this.#koffi.alloc("CK_MECHANISM", 1);
    this.#koffi.encode(allocated, "CK_MECHANISM", {
      mechanism: mechanism.type,
      // The map keeps the parameter's memory, to which this points.
      pParameter: mechanism.parameter ?? null,
      ulParameterLen: mechanism.parameter?.length ?? 0,
    });
    this.#mechanisms.set(mechanism, allocated);
    return allocated;
  }

  #readLengths(handles: readonly Handle[], types: readonly number[]): number[] {
    return this.#readAttributes(
      handles,
      types.map((type) => ({ type, pValue: null, ulValueLen: 0 })),
    );
  }

  #readValues(handles: readonly Handle[], types: readonly number[], lengths: readonly number[]) {
    const values = lengths.map((length) => Buffer.alloc(length <= MAX_VALUE_BYTES ? length : 0));
    const attributes = types.map((type, index) => toStructure({ type, value: values[index] as Buffer }));
    const read = this.#readAttributes(handles, attributes);
    // CK_UNAVAILABLE_INFORMATION, 32 or 64 bits wide, is larger than the buffer's length.
    return values.map((value, index) => {
      const length = read[index] ?? Number.POSITIVE_INFINITY;
      return length <= value.length ? value.subarray(0, length) : undefined;
    });
  }

  /**
   * Reads the attributes into their buffers.
   *
   * @returns The lengths of the values.
   */
  #readAttributes(handles: readonly Handle[], attributes: readonly object[]): number[] {
    const template = this.#koffi.alloc("CK_ATTRIBUTE", attributes.length);
    const size = this.#koffi.sizeof("CK_ATTRIBUTE");
    attributes.forEach((attribute, index) => {
      this.#koffi.encode(template, index * size, "CK_ATTRIBUTE", attribute);
    });
    this.#call("C_GetAttributeValue", ...handles, template, attributes.length);
    return attributes.map((_, index) => Number(this.#koffi.decode(template, index * size, "CK_ATTRIBUTE").ulValueLen));
  }
}

function check(value: unknown): void {
  const code = Number(value);
  if (code !== CKR_OK) throw new Pkcs11Error(code);
}

function toStructure({ type, value }: Attribute) {
  return { type, pValue: value, ulValueLen: value.length };
}

function ulongs(bytes: Buffer, count: number): Handle[] {
  return Array.from({ length: count }, (_, index) =>
    fromUlong(bytes.subarray(index * ULONG_BYTES, (index + 1) * ULONG_BYTES)),
  );
}
