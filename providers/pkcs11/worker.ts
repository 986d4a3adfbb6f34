/**
 * The program of a PKCS#11 library's workers. Only workers call the library. Each one runs one request after the other,
 * synchronously, and opens its own keys, so handles never leave the worker.
 */
import { availableParallelism } from "node:os";
import { isMainThread, MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { LazyDeadline } from "../../src/deadline.js";
import { type Cryptoki, loadLibrary } from "./binding.js";
import { importBinding } from "./bindings.js";
import { Calls, type Channel } from "./calls.js";
import { CKF_OS_LOCKING_OK, CKF_RW_SESSION } from "./constants.js";
import { deleteKeyPair } from "./delete-key-pair.js";
import { readFacts, usesTpm } from "./evidence.js";
import { KeyError } from "./failure.js";
import { hintFor } from "./hints.js";
import { serveParentProcess } from "./isolated-use.js";
import { generateKeyPair, listKeys } from "./key-pairs.js";
import type { LoginSession } from "./login.js";
import { OpenKeys } from "./open-keys.js";
import {
  BATCH,
  type Initialized,
  type KeySpec,
  type Opened,
  type Request,
  type Result,
  type WorkerData,
} from "./protocol.js";
import { Pkcs11Error, toSignerError } from "./return-values.js";
import { readSlots } from "./token.js";
import { inspectToken, inspectTokens } from "./token-inspection.js";

/** Descriptions of the operations, for error messages. */
const DESCRIPTIONS: Readonly<Record<Request["name"], string>> = {
  open: "opening the key",
  sign: "signing",
  describe: "reading the key's attributes",
  generate: "creating a key pair",
  list: "listing keys",
  "list-more": "listing keys",
  delete: "deleting a key pair",
  inspect: "reading the token",
  tokens: "reading the tokens",
};

/** Milliseconds to poll for a message. On a single core, polling would block the parent's event loop. */
const SPIN = availableParallelism() > 1 ? 0.2 : 0;
/** How many polls to leave out after some that found nothing: twice as many each time, up to `MAX_SKIP`. */
let [skip, skipped] = [0, 0];
const MAX_SKIP = 63;
/** Milliseconds after which the parent thread may take a call for a stuck one. */
const SLOW = 5;
/** In Deno, the port of a worker isn't a `MessagePort`: it can neither be polled nor closed. */
const isPollable = parentPort instanceof MessagePort;
/** The event loop must run now and then: it frees the memory of the messages. */
const MAX_POLLS = 32;

/** Serves the thread that started the worker. */
function serve(port: MessagePort, lib: Cryptoki, data: WorkerData): void {
  let login: LoginSession;
  let turn: Promise<unknown> = Promise.resolve();
  /** How many requests have been received, but haven't begun. */
  let waiting = 0;
  /** Whether answers may wait for those of the next signatures. */
  let mayDelay = false;
  const answers: unknown[] = [];
  let receive: (message: unknown) => void;
  const inTurn = <T>(work: () => T | Promise<T>): Promise<T> => {
    const result = turn.then(work);
    turn = result.catch(() => undefined);
    return result;
  };
  const channel: Channel = {
    ...channelOn(port),
    post(message) {
      mayDelay = false; // Until the parent thread replies.
      port.postMessage([...answers.splice(0), message]);
    },
    // Waking the event loop takes as long as a signature, and a single caller soon sends its next request.
    listen(listener) {
      receive = listener;
      port.on("message", async (first: unknown[]) => {
        let messages: unknown[] | undefined = first;
        for (let count = 0; messages && count < MAX_POLLS; count++) {
          messages.forEach(receive);
          await turn;
          messages = messages.length === 1 ? poll(port) : undefined;
        }
        messages?.forEach(receive);
      });
    },
    // Each message wakes the parent thread, which takes as long as a signature. So it gets several of them together.
    answer(message) {
      answers.push(message);
      if (waiting === 0 || !mayDelay || answers.length === BATCH) port.postMessage(answers.splice(0));
    },
  };
  const keys: OpenKeys = new OpenKeys({
    lib,
    restart: (reason) => parent.call("restart", reason),
    askForLogin: (question, session) => {
      login = session;
      return parent.call("login", question);
    },
  });
  const parent: Calls = new Calls(channel, {
    initialize: (first: boolean) => initialize(lib, data, first),
    finalize: () => lib.C_Finalize(),
    closeAll: () => keys.closeAll(),
    isLoggedIn: () => login.isLoggedIn(),
    attemptLogin: (pin: string | undefined) => returnValueOf(() => login.login(pin)),
    addKey: ({ key, spec }: { key: number; spec: KeySpec }) => keys.add(key, spec),
    run(request: Request, deadline: LazyDeadline) {
      waiting += 1;
      return inTurn(async () => {
        waiting -= 1;
        mayDelay = request.name === "sign";
        Atomics.add(data.begun, 0, 1);
        if (deadline.aborted) return undefined;
        const start = performance.now();
        const value = await run(lib, data.path, keys, request).finally(() => {
          if (performance.now() - start < SLOW) return;
          // During a slow call, the parent thread may have withdrawn the requests behind it.
          for (const messages of received(port)) messages.forEach(receive);
          mayDelay = false;
        });
        return { value, milliseconds: performance.now() - start } satisfies Result;
      });
    },
    closeKey: (key: number) => inTurn(() => keys.forget(key)),
    end: () => end(port),
  });
}

function channelOn(port: MessagePort): Channel {
  return {
    post: (message) => port.postMessage([message]),
    listen: (receive) => port.on("message", (messages: unknown[]) => messages.forEach(receive)),
  };
}

async function run(lib: Cryptoki, path: string, keys: OpenKeys, request: Request): Promise<unknown> {
  try {
    return await operate(lib, path, keys, request);
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
      return keys.useToken(request, CKF_RW_SESSION, (session, token) =>
        generateKeyPair(lib, session, keys.spec(request), token),
      );
    case "list":
      return keys.beginList(request, (session, token) => listKeys(lib, session, keys.spec(request), token));
    case "list-more":
      return keys.continueList(request);
    case "delete":
      return keys.useToken(request, CKF_RW_SESSION, (session, token) =>
        deleteKeyPair(lib, session, keys.spec(request), token),
      );
    case "inspect":
      return inspectToken(lib, keys.spec(request));
    case "tokens":
      return inspectTokens(lib, keys.spec(request));
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
  returnValueOf(() => readSlots(lib)); // If this fails, opening a key repeats it.
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

function* received(port: MessagePort): Generator<unknown[]> {
  if (!isPollable) return;
  for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) yield next.message;
}

/** Polls less and less often while it finds nothing: on a busy machine it would take the core from the parent thread. */
function poll(port: MessagePort): unknown[] | undefined {
  if (!isPollable) return undefined;
  if (skipped < skip) {
    skipped += 1;
    return undefined;
  }
  const until = performance.now() + SPIN;
  while (performance.now() < until) {
    const received = receiveMessageOnPort(port);
    if (!received) continue;
    skip = 0;
    return received.message;
  }
  [skip, skipped] = [Math.min(2 * skip + 1, MAX_SKIP), 0];
  return undefined;
}

/** Ends the worker. */
function end(port: MessagePort): void {
  if (isPollable) port.close();
  else setImmediate(() => process.exit()); // Ends only this thread, after the response.
}

async function start(port: MessagePort, data: WorkerData): Promise<void> {
  try {
    serve(port, loadLibrary(data.path, await importBinding(data.binding)), data);
  } catch (error) {
    // The first call of the parent thread is to initialise the library.
    new Calls(channelOn(port), { initialize: () => Promise.reject(error), end: () => end(port) });
  }
}

if (isMainThread) serveParentProcess();
else await start(parentPort as MessagePort, workerData);
