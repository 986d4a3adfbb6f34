/** Calls the library by pkcs11js, the native addon of graphene-pk11. */
import type { Module } from "graphene-pk11";
import { CKF_RW_SERIAL_SESSION, type Cryptoki, check, LABEL_BYTES, MAX_OBJECTS, ulong } from "./cryptoki.js";
import type { Attribute } from "./protocol.js";

type Functions = Module["lib"];
type Pkcs11Js = { readonly PKCS11: new () => Functions };

/** Loads the library. */
export function pkcs11jsCryptoki({ PKCS11 }: Pkcs11Js, module: string): Cryptoki {
  const lib = new PKCS11();
  lib.load(module);
  const template = (attributes: readonly Attribute[]) => attributes.map(({ type, value }) => ({ type, value }));
  const call = <T>(name: string, run: () => T): T => {
    try {
      return run();
    } catch (error) {
      throw withName(name, error);
    }
  };
  return {
    C_Initialize: () => call("C_Initialize", () => lib.C_Initialize()),
    C_Finalize: () => call("C_Finalize", () => lib.C_Finalize()),
    C_GetSlotList: () => call("C_GetSlotList", () => lib.C_GetSlotList(true)).map(fromHandle),
    C_GetTokenInfo(slot) {
      const { serialNumber, flags } = call("C_GetTokenInfo", () => lib.C_GetTokenInfo(ulong(slot)));
      return { serial: serialNumber, flags };
    },
    C_InitToken: (slot, soPin, label) =>
      void call("C_InitToken", () => lib.C_InitToken(ulong(slot), soPin, padded(label))),
    C_OpenSession: (slot) =>
      fromHandle(call("C_OpenSession", () => lib.C_OpenSession(ulong(slot), CKF_RW_SERIAL_SESSION))),
    C_Login: (session, user, pin) => call("C_Login", () => lib.C_Login(ulong(session), user, pin)),
    C_Logout: (session) => call("C_Logout", () => lib.C_Logout(ulong(session))),
    C_InitPIN: (session, pin) => call("C_InitPIN", () => lib.C_InitPIN(ulong(session), pin)),
    C_CreateObject: (session, attributes) =>
      fromHandle(call("C_CreateObject", () => lib.C_CreateObject(ulong(session), template(attributes)))),
    C_GenerateKeyPair(session, mechanism, publicKey, privateKey) {
      const templates = [template(publicKey), template(privateKey)] as const;
      const pair = call("C_GenerateKeyPair", () => lib.C_GenerateKeyPair(ulong(session), { mechanism }, ...templates));
      return fromHandle(pair.publicKey);
    },
    findObjects: (session, attributes) =>
      call("C_FindObjects", () => {
        lib.C_FindObjectsInit(ulong(session), template(attributes));
        const found = lib.C_FindObjects(ulong(session), MAX_OBJECTS).map(fromHandle);
        lib.C_FindObjectsFinal(ulong(session));
        return found;
      }),
    C_DestroyObject: (session, object) =>
      call("C_DestroyObject", () => lib.C_DestroyObject(ulong(session), ulong(object))),
  };
}

/** pkcs11js copies the label's bytes only, and the library reads 32. */
function padded(label: string): string {
  return label + " ".repeat(LABEL_BYTES - Buffer.byteLength(label));
}

function fromHandle(handle: Buffer): bigint {
  return handle.readBigUInt64LE();
}

function withName(name: string, error: unknown): unknown {
  const { code, message = "" } = Object(error);
  const value = Number(typeof code === "number" ? code : /CKR_\w+:(\d+)/.exec(message)?.[1]);
  if (value > 0) check(name, value);
  return error;
}
