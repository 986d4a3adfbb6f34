/** Calls the library by koffi, which is prebuilt. */
import { CKF_RW_SERIAL_SESSION, type Cryptoki, check, LABEL_BYTES, MAX_OBJECTS, ulong } from "./cryptoki.js";
import type { Attribute } from "./protocol.js";

type Koffi = typeof import("koffi")["default"];

/** Parameter types (PKCS #11 v2.40, §5). Handles, flags and lengths are `CK_ULONG`; everything else is a pointer. */
const PARAMETERS: Readonly<Record<string, string>> = {
  C_Initialize: "void *",
  C_Finalize: "void *",
  C_GetSlotList: "uint8_t, void *, void *",
  C_GetTokenInfo: "uint64_t, void *",
  C_InitToken: "uint64_t, void *, uint64_t, void *",
  C_OpenSession: "uint64_t, uint64_t, void *, void *, void *",
  C_Login: "uint64_t, uint64_t, void *, uint64_t",
  C_Logout: "uint64_t",
  C_InitPIN: "uint64_t, void *, uint64_t",
  C_CreateObject: "uint64_t, CK_ATTRIBUTE *, uint64_t, void *",
  C_GenerateKeyPair: "uint64_t, CK_MECHANISM *, CK_ATTRIBUTE *, uint64_t, CK_ATTRIBUTE *, uint64_t, void *, void *",
  C_FindObjectsInit: "uint64_t, CK_ATTRIBUTE *, uint64_t",
  C_FindObjects: "uint64_t, void *, uint64_t, void *",
  C_FindObjectsFinal: "uint64_t",
  C_DestroyObject: "uint64_t, uint64_t",
};

const MAX_SLOTS = 256;
/** Offsets in `CK_TOKEN_INFO`: the serial number of 16 characters, and the flags behind it. */
const SERIAL = 32 + 32 + 16;
const FLAGS = SERIAL + 16;
const TOKEN_INFO_BYTES = 256;

/** Loads the library. */
export function koffiCryptoki(koffi: Koffi, module: string): Cryptoki {
  koffi.struct("CK_ATTRIBUTE", { type: "uint64_t", pValue: "void *", ulValueLen: "uint64_t" });
  koffi.struct("CK_MECHANISM", { mechanism: "uint64_t", pParameter: "void *", ulParameterLen: "uint64_t" });
  const library = koffi.load(module);
  const functions = Object.fromEntries(
    Object.entries(PARAMETERS).map(([name, types]) => [name, library.func(name, "uint64_t", types.split(", "))]),
  );
  const call = (name: string, ...parameters: unknown[]) => check(name, Number(functions[name]?.(...parameters)));
  return {
    C_Initialize: () => call("C_Initialize", null),
    C_Finalize: () => call("C_Finalize", null),
    C_GetSlotList: () => list(MAX_SLOTS, (slots, count) => call("C_GetSlotList", 1, slots, count)),
    C_GetTokenInfo(slot) {
      const info = Buffer.alloc(TOKEN_INFO_BYTES);
      call("C_GetTokenInfo", slot, info);
      return { serial: info.toString("utf8", SERIAL, FLAGS), flags: Number(info.readBigUInt64LE(FLAGS)) };
    },
    C_InitToken: (slot, soPin, label) =>
      call(
        "C_InitToken",
        slot,
        ...text(soPin),
        Buffer.alloc(LABEL_BYTES, " ").fill(label, 0, Buffer.byteLength(label)),
      ),
    C_OpenSession: (slot) =>
      handle((session) => call("C_OpenSession", slot, CKF_RW_SERIAL_SESSION, null, null, session)),
    C_Login: (session, user, pin) => call("C_Login", session, user, ...text(pin)),
    C_Logout: (session) => call("C_Logout", session),
    C_InitPIN: (session, pin) => call("C_InitPIN", session, ...text(pin)),
    C_CreateObject: (session, attributes) =>
      handle((object) => call("C_CreateObject", session, ...template(attributes), object)),
    C_GenerateKeyPair: (session, mechanism, publicKey, privateKey) =>
      handle((object) => {
        const parameters = { mechanism, pParameter: null, ulParameterLen: 0 };
        const templates = [...template(publicKey), ...template(privateKey)];
        call("C_GenerateKeyPair", session, parameters, ...templates, object, ulong(0));
      }),
    findObjects(session, attributes) {
      call("C_FindObjectsInit", session, ...template(attributes));
      const found = list(MAX_OBJECTS, (objects, count) => call("C_FindObjects", session, objects, MAX_OBJECTS, count));
      call("C_FindObjectsFinal", session);
      return found;
    },
    C_DestroyObject: (session, object) => call("C_DestroyObject", session, object),
  };
}

function text(value: string): [Buffer, number] {
  const bytes = Buffer.from(value);
  return [bytes, bytes.length];
}

function template(attributes: readonly Attribute[]): [object[], number] {
  const structures = attributes.map(({ type, value }) => ({ type, pValue: value, ulValueLen: value.length }));
  return [structures, structures.length];
}

function handle(write: (handle: Buffer) => void): bigint {
  const bytes = ulong(0);
  write(bytes);
  return bytes.readBigUInt64LE();
}

function list(max: number, write: (items: Buffer, count: Buffer) => void): bigint[] {
  const [items, count] = [Buffer.alloc(max * 8), ulong(max)];
  write(items, count);
  return Array.from({ length: Number(count.readBigUInt64LE()) }, (_, index) => items.readBigUInt64LE(index * 8));
}
