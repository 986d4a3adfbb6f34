/**
 * The program of the separate process: makes tokens and keys by calling the library. SoftHSM reads its configuration once
 * for each initialisation, so the process that uses the tokens keeps its own, and never loads the library for this.
 */
import { existsSync } from "node:fs";
import { CKF_TOKEN_INITIALIZED, CKU_SO, CKU_USER, type Cryptoki } from "./cryptoki.js";
import { loadCryptoki } from "./load-cryptoki.js";
import type {
  Attribute,
  KeyPairRequest,
  OpenToken,
  RequestMessage,
  Requests,
  ResponseMessage,
  Results,
} from "./protocol.js";

let lib: Cryptoki | undefined;

const handlers: { [Name in keyof Requests]: (content: Requests[Name]) => Results[Name] } = {
  load({ module, packages }) {
    lib ??= loadCryptoki(module, packages);
    return undefined;
  },
  makeToken: ({ configuration, label, soPin, pin, keys }) =>
    withLibrary(configuration, (lib) => {
      const slot = lib.C_GetSlotList().find((slot) => (lib.C_GetTokenInfo(slot).flags & CKF_TOKEN_INITIALIZED) === 0);
      if (slot === undefined) throw new Error("SoftHSM doesn't have a slot for another token.");
      lib.C_InitToken(slot, soPin, label);
      const session = lib.C_OpenSession(slot);
      lib.C_Login(session, CKU_SO, soPin);
      lib.C_InitPIN(session, pin);
      lib.C_Logout(session);
      lib.C_Login(session, CKU_USER, pin);
      for (const key of keys) addKey(lib, session, key);
      return serialOf(lib, slot);
    }),
  addKeys: ({ keys, ...token }) =>
    withSession(token, (lib, session) => {
      for (const key of keys) addKey(lib, session, key);
      return keys.length;
    }),
  deleteObjects: ({ templates, ...token }) =>
    withSession(token, (lib, session) => {
      const found = templates.flatMap((template) => lib.findObjects(session, template.map(toAttribute)));
      for (const object of found) lib.C_DestroyObject(session, object);
      return found.length;
    }),
};

function withLibrary<T>(configuration: string, work: (lib: Cryptoki) => T): T {
  if (!lib) throw new Error("The library isn't loaded.");
  // Without its file, SoftHSM could use the configuration of the user.
  if (!existsSync(configuration)) throw new Error("The token was closed.");
  process.env.SOFTHSM2_CONF = configuration;
  lib.C_Initialize();
  try {
    return work(lib);
  } finally {
    lib.C_Finalize();
  }
}

function withSession<T>({ configuration, serial, pin }: OpenToken, work: (lib: Cryptoki, session: bigint) => T): T {
  return withLibrary(configuration, (lib) => {
    const slot = lib.C_GetSlotList().find((slot) => serialOf(lib, slot) === serial);
    if (slot === undefined) throw new Error(`The token with the serial number ${serial} doesn't exist any more.`);
    const session = lib.C_OpenSession(slot);
    lib.C_Login(session, CKU_USER, pin);
    return work(lib, session);
  });
}

function serialOf(lib: Cryptoki, slot: bigint): string {
  return lib.C_GetTokenInfo(slot).serial.replace(/[ \0]+$/, "");
}

function addKey(lib: Cryptoki, session: bigint, { mechanism, publicObject, ...pair }: KeyPairRequest): void {
  const [privateKey, publicKey] = [pair.privateKey.map(toAttribute), pair.publicKey.map(toAttribute)];
  if (mechanism === undefined) {
    lib.C_CreateObject(session, privateKey);
    if (publicObject) lib.C_CreateObject(session, publicKey);
    return;
  }
  const generated = lib.C_GenerateKeyPair(session, mechanism, publicKey, privateKey);
  if (!publicObject) lib.C_DestroyObject(session, generated);
}

/** The channel between the processes delivers buffers as plain bytes. */
function toAttribute({ type, value }: Attribute): Attribute {
  return { type, value: Buffer.from(value) };
}

function handle<Name extends keyof Requests>({ id, name, content }: RequestMessage<Name>): ResponseMessage {
  try {
    return { id, result: handlers[name](content) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

process.on("message", (message: RequestMessage) => process.send?.(handle(message)));
// The parent process ends this one. Ctrl-C reaches both, and the parent may still need its tokens.
process.on("disconnect", () => process.exit());
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
