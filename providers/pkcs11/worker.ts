/**
 * The program of a PKCS#11 library's workers. Only workers call the library. Each one runs one request after the other,
 * synchronously, and opens its own keys, so handles never leave the worker.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { LazyDeadline } from "../../src/deadline.js";
import { type Cryptoki, loadLibrary } from "./binding.js";
import { importBinding } from "./bindings.js";
import { Calls, type Channel } from "./calls.js";
import { CKF_OS_LOCKING_OK, CKF_RW_SESSION } from "./constants.js";
import { readFacts, usesTpm } from "./evidence.js";
import { KeyError } from "./failure.js";
import { hintFor } from "./hints.js";
import { serveParentProcess } from "./isolated-use.js";
import { deleteKeyPair, generateKeyPair, listKeys } from "./key-pairs.js";
import type { AskForLogin } from "./login.js";
import { OpenKeys } from "./open-keys.js";
import type { Initialized, KeySpec, Opened, Request, Result, WorkerData } from "./protocol.js";
import { Pkcs11Error, toSignerError } from "./return-values.js";
import { inspectToken } from "./token-inspection.js";

/** Descriptions of the operations, for error messages. */
const DESCRIPTIONS: Readonly<Record<Request["name"], string>> = {
  open: "opening the key",
  sign: "signing",
  describe: "reading the key's attributes",
  generate: "creating a key pair",
  list: "listing keys",
  delete: "deleting a key pair",
  inspect: "reading the token",
};

/** Serves the thread that started the worker. */
function serve(port: MessagePort, channel: Channel, lib: Cryptoki, data: WorkerData): void {
  let attempt: Parameters<AskForLogin>[1];
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => T | Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  };
  const keys = new OpenKeys({
    lib,
    restart: (reason) => parent.call("restart", reason),
    askForLogin: (question, login) => {
      attempt = login;
      return parent.call("login", question);
    },
  });
  const parent = new Calls(channel, {
    initialize: (first: boolean) => initialize(lib, data, first),
    finalize: () => lib.C_Finalize(),
    closeAll: () => keys.closeAll(),
    attemptLogin: (pin: string | undefined) => returnValueOf(() => attempt(pin)),
    addKey: ({ key, spec }: { key: number; spec: KeySpec }) => keys.add(key, spec),
    run: (request: Request, deadline: LazyDeadline) =>
      inTurn(() => (deadline.aborted ? undefined : run(lib, data.path, keys, request))),
    closeKey: (key: number) => inTurn(() => keys.forget(key)),
    end: () => port.close(),
  });
}

async function run(lib: Cryptoki, path: string, keys: OpenKeys, request: Request): Promise<Result> {
  const start = performance.now();
  try {
    const value = await operate(lib, path, keys, request);
    return { value, milliseconds: performance.now() - start };
  } catch (error) {
    const cause = error instanceof KeyError ? error.cause : error;
    const explained = toSignerError(cause, DESCRIPTIONS[request.name], hintFor(path, cause, "using"));
    throw error instanceof KeyError ? new KeyError(error.reason, explained) : explained;
  }
}

function operate(lib: Cryptoki, path: string, keys: OpenKeys, request: Request): unknown {
  switch (request.name) {
    case "sign":
      return keys.sign(request, request.digest ?? Buffer.alloc(0));
    case "open":
      return keys.use(request, ({ publicJwk, token }): Opened => ({ publicJwk, maxSessions: token.maxSessions }));
    case "describe":
      return keys.use(request, (opened) => readFacts(lib, path, opened));
    case "generate":
      return keys.useToken(request, CKF_RW_SESSION, (session) => generateKeyPair(lib, session, keys.spec(request)));
    case "list":
      return keys.useToken(request, 0, (session, token) => listKeys(lib, session, keys.spec(request), token));
    case "delete":
      return keys.useToken(request, CKF_RW_SESSION, (session) => deleteKeyPair(lib, session, keys.spec(request)));
    case "inspect":
      return inspectToken(lib, keys.spec(request));
  }
}

const CKR_CANT_LOCK = 0x0a;
const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;

/** @param first - Whether no other worker has initialised the library. */
function initialize(lib: Cryptoki, { path, libraryParameters }: WorkerData, first: boolean): Initialized {
  const call = (flags: number) => returnValueOf(() => lib.C_Initialize(flags, libraryParameters));
  const isInitialized = !first && returnValueOf(() => lib.C_GetInfo()) === 0;
  const locking = isInitialized ? CKR_CRYPTOKI_ALREADY_INITIALIZED : call(CKF_OS_LOCKING_OK);
  const value = locking === CKR_CANT_LOCK ? call(0) : locking;
  if (value !== 0 && value !== CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    const error = new Pkcs11Error(value);
    throw toSignerError(error, `initialising ${path}`, hintFor(path, error, "starting"));
  }
  return { initialized: value === 0, oneAtATime: locking === CKR_CANT_LOCK || usesTpm(lib.C_GetInfo()) };
}

function returnValueOf(call: () => void): number {
  try {
    call();
    return 0;
  } catch (error) {
    if (error instanceof Pkcs11Error) return error.code;
    throw error;
  }
}

async function start(port: MessagePort, data: WorkerData): Promise<void> {
  const channel: Channel = {
    post: (message) => port.postMessage(message),
    listen: (receive) => port.on("message", receive),
  };
  try {
    serve(port, channel, loadLibrary(data.path, await importBinding(data.binding)), data);
  } catch (error) {
    // The first call of the parent thread is to initialise the library.
    new Calls(channel, { initialize: () => Promise.reject(error), end: () => port.close() });
  }
}

if (isMainThread) serveParentProcess();
else await start(parentPort as MessagePort, workerData);
