/** The PKCS#11 functions as graphene-pk11 provides them: those of pkcs11js, on which it is built. */
import type { Module } from "graphene-pk11";
import { type Attribute, type Binding, type Cryptoki, fromUlong, ulong } from "./binding.js";
import { Pkcs11Error } from "./return-values.js";

type Functions = Module["lib"];

/** Loads the package. Loading it by way of graphene-pk11 would take three times as long, in each worker. */
export function loadGraphene(): Binding {
  const { createRequire } = process.getBuiltinModule("node:module");
  const graphene = createRequire(import.meta.url).resolve("graphene-pk11");
  const { PKCS11 }: { PKCS11: new () => Functions } = createRequire(graphene)("pkcs11js");
  return {
    name: "graphene-pk11",
    load(path) {
      const lib = new PKCS11();
      checked(() => lib.load(path));
      return functionsOf(lib);
    },
  };
}

/** Handles, here as buffers. */
const encoded = ulong;
const template = (attributes: readonly Attribute[]) => attributes.map(({ type, value }) => ({ type, value }));
const version = ({ major, minor }: { major: number; minor: number }) => `${major}.${minor}`;

function functionsOf(lib: Functions): Cryptoki {
  return {
    // pkcs11js cuts off the last character of the parameters.
    C_Initialize: (flags, parameters) =>
      checked(() =>
        lib.C_Initialize(parameters === undefined ? { flags } : { flags, libraryParameters: `${parameters} ` }),
      ),
    C_Finalize: () => checked(() => lib.C_Finalize()),
    C_GetInfo() {
      const info = checked(() => lib.C_GetInfo());
      const { manufacturerID: manufacturer, libraryDescription: description, libraryVersion } = info;
      return { manufacturer, description, version: version(libraryVersion) };
    },
    C_GetSlotList: () => checked(() => lib.C_GetSlotList(true)).map(fromUlong),
    C_GetSlotInfo: (slot) => checked(() => lib.C_GetSlotInfo(encoded(slot))),
    C_GetTokenInfo(slot) {
      const info = checked(() => lib.C_GetTokenInfo(encoded(slot)));
      const { label, serialNumber: serial, manufacturerID: manufacturer, model, flags, maxSessionCount } = info;
      return { label, serial, manufacturer, model, firmware: version(info.firmwareVersion), flags, maxSessionCount };
    },
    C_GetMechanismList: (slot) => checked(() => lib.C_GetMechanismList(encoded(slot))),
    C_OpenSession: (slot, flags) => fromUlong(checked(() => lib.C_OpenSession(encoded(slot), flags))),
    C_CloseSession: (session) => checked(() => lib.C_CloseSession(encoded(session))),
    C_GetSessionInfo: (session) => checked(() => lib.C_GetSessionInfo(encoded(session))),
    // It throws a TypeError where there is no PIN. A token with a PIN pad ignores an empty one.
    C_Login: (session, user, pin = "") => checked(() => lib.C_Login(encoded(session), user, pin)),
    C_FindObjectsInit: (session, search) => checked(() => lib.C_FindObjectsInit(encoded(session), template(search))),
    C_FindObjects: (session, most) => checked(() => lib.C_FindObjects(encoded(session), most)).map(fromUlong),
    C_FindObjectsFinal: (session) => checked(() => lib.C_FindObjectsFinal(encoded(session))),
    C_GetAttributeValue(session, object, types) {
      const request = types.map((type) => ({ type }));
      const values = checked(() => lib.C_GetAttributeValue(encoded(session), encoded(object), request));
      return values.map(({ value }) => (Buffer.isBuffer(value) ? value : undefined));
    },
    C_SignInit: (session, mechanism, key) =>
      checked(() => lib.C_SignInit(encoded(session), { mechanism }, encoded(key))),
    C_Sign: (session, data, length) =>
      checked(() => lib.C_Sign(encoded(session), Buffer.from(data), Buffer.alloc(length))),
    C_GenerateKeyPair(session, mechanism, publicKey, privateKey) {
      const halves = [template(publicKey), template(privateKey)] as const;
      const pair = checked(() => lib.C_GenerateKeyPair(encoded(session), { mechanism }, ...halves));
      return { publicKey: fromUlong(pair.publicKey), privateKey: fromUlong(pair.privateKey) };
    },
    C_DestroyObject: (session, object) => checked(() => lib.C_DestroyObject(encoded(session), encoded(object))),
  };
}

/** pkcs11js names the return value in the message, and doesn't wrap the errors of `C_FindObjects`. */
function checked<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw pkcs11ErrorOf(error);
  }
}

function pkcs11ErrorOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error && typeof error.code === "number" && error.code > 0 ? error.code : undefined;
  const named = /CKR_\w+:(\d+)/.exec(error.message)?.[1];
  const value = named === undefined ? code : Number(named);
  return value === undefined ? error : new Pkcs11Error(value);
}
