/** Calls the PKCS#11 functions through pkcs11js, the native addon of graphene-pk11. */
import type { Module } from "graphene-pk11";
import { resolveInstalled } from "../../src/keystore/installed-package.js";
import { type Attribute, type Binding, type Cryptoki, fromUlong, type Mechanism, ulong } from "./binding.js";
import { Pkcs11Error } from "./return-values.js";

type Functions = Module["lib"];

/** Loads pkcs11js directly: loading it through graphene-pk11 would take three times as long in each worker. */
export function loadGraphene(): Binding {
  const { createRequire } = process.getBuiltinModule("node:module");
  const graphene = resolveInstalled("graphene-pk11");
  const { PKCS11 }: { PKCS11: new () => Functions } = createRequire(graphene)("pkcs11js");
  return {
    name: "graphene-pk11",
    load(path) {
      const lib = new PKCS11();
      translateErrors(() => lib.load(path));
      return functionsOf(lib);
    },
  };
}

/** Encodes a handle: pkcs11js represents handles as buffers. */
const encodeHandle = ulong;
const template = (attributes: readonly Attribute[]) => attributes.map(({ type, value }) => ({ type, value }));
const encodeMechanism = ({ type, parameter }: Mechanism) =>
  parameter === undefined ? { mechanism: type } : { mechanism: type, parameter };
/** An empty buffer of its own would be a null pointer, which SoftHSM rejects. */
const EMPTY = Buffer.alloc(1).subarray(1);
const encodeData = (data: Uint8Array) => (data.length === 0 ? EMPTY : Buffer.from(data));
const version = ({ major, minor }: { major: number; minor: number }) => `${major}.${minor}`;

function functionsOf(lib: Functions): Cryptoki {
  return {
    // pkcs11js cuts off the last character of the parameters, so a blank is added.
    C_Initialize: (flags, parameters) =>
      translateErrors(() =>
        lib.C_Initialize(parameters === undefined ? { flags } : { flags, libraryParameters: `${parameters} ` }),
      ),
    C_Finalize: () => translateErrors(() => lib.C_Finalize()),
    C_GetInfo() {
      const info = translateErrors(() => lib.C_GetInfo());
      const { manufacturerID: manufacturer, libraryDescription: description, libraryVersion } = info;
      return { manufacturer, description, version: version(libraryVersion) };
    },
    C_GetSlotList: () => translateErrors(() => lib.C_GetSlotList(true)).map(fromUlong),
    C_GetSlotInfo: (slot) => translateErrors(() => lib.C_GetSlotInfo(encodeHandle(slot))),
    C_GetTokenInfo(slot) {
      const info = translateErrors(() => lib.C_GetTokenInfo(encodeHandle(slot)));
      const { label, serialNumber: serial, manufacturerID: manufacturer, model, flags, maxSessionCount } = info;
      return { label, serial, manufacturer, model, firmware: version(info.firmwareVersion), flags, maxSessionCount };
    },
    C_GetMechanismList: (slot) => translateErrors(() => lib.C_GetMechanismList(encodeHandle(slot))),
    C_OpenSession: (slot, flags) => fromUlong(translateErrors(() => lib.C_OpenSession(encodeHandle(slot), flags))),
    C_CloseSession: (session) => translateErrors(() => lib.C_CloseSession(encodeHandle(session))),
    C_GetSessionInfo: (session) => translateErrors(() => lib.C_GetSessionInfo(encodeHandle(session))),
    // pkcs11js throws a TypeError if the PIN is undefined. A token with a PIN pad ignores an empty PIN.
    C_Login: (session, user, pin = "") => translateErrors(() => lib.C_Login(encodeHandle(session), user, pin)),
    C_FindObjectsInit: (session, search) =>
      translateErrors(() => lib.C_FindObjectsInit(encodeHandle(session), template(search))),
    C_FindObjects: (session, max) =>
      translateErrors(() => lib.C_FindObjects(encodeHandle(session), max)).map(fromUlong),
    C_FindObjectsFinal: (session) => translateErrors(() => lib.C_FindObjectsFinal(encodeHandle(session))),
    C_GetAttributeValue(session, object, types) {
      const request = types.map((type) => ({ type }));
      const values = translateErrors(() =>
        lib.C_GetAttributeValue(encodeHandle(session), encodeHandle(object), request),
      );
      return values.map(({ value }) => (Buffer.isBuffer(value) ? value : undefined));
    },
    C_SignInit: (session, mechanism, key) =>
      translateErrors(() => lib.C_SignInit(encodeHandle(session), encodeMechanism(mechanism), encodeHandle(key))),
    C_Sign: (session, data, length) =>
      translateErrors(() => lib.C_Sign(encodeHandle(session), encodeData(data), Buffer.alloc(length))),
    C_GenerateKeyPair(session, mechanism, publicKey, privateKey) {
      const templates = [template(publicKey), template(privateKey)] as const;
      const pair = translateErrors(() =>
        lib.C_GenerateKeyPair(encodeHandle(session), encodeMechanism(mechanism), ...templates),
      );
      return { publicKey: fromUlong(pair.publicKey), privateKey: fromUlong(pair.privateKey) };
    },
    C_DestroyObject: (session, object) =>
      translateErrors(() => lib.C_DestroyObject(encodeHandle(session), encodeHandle(object))),
  };
}

/**
 * Rethrows the addon's errors as {@link Pkcs11Error}. Most of them have the return value as `code`; those of `C_FindObjects`
 * only have it in the message.
 */
function translateErrors<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw pkcs11ErrorOf(error);
  }
}

function pkcs11ErrorOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const code = "code" in error && typeof error.code === "number" && error.code > 0 ? error.code : undefined;
  const fromMessage = /CKR_\w+:(\d+)/.exec(error.message)?.[1];
  const value = fromMessage === undefined ? code : Number(fromMessage);
  return value === undefined ? error : new Pkcs11Error(value);
}
