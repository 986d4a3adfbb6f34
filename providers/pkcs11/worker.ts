/**
 * The program of a PKCS#11 library's workers. Only workers call the library. Each one runs one request after the other,
 * synchronously, and opens its own keys, so handles never leave the worker.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from "node:worker_threads";
import { type Cryptoki, loadLibrary } from "./binding.js";
import { importBinding } from "./bindings.js";
import { CKF_OS_LOCKING_OK, CKF_RW_SESSION } from "./constants.js";
import { readFacts, usesTpm } from "./evidence.js";
import { toFailure } from "./failure.js";
import { hintFor } from "./hints.js";
import { serveParentProcess } from "./isolated-use.js";
import { deleteKeyPair, generateKeyPair, listKeys } from "./key-pairs.js";
import { OpenKeys, RecoveryFailed } from "./open-keys.js";
import type { Initialized, Opened, Request, Response, WorkerData } from "./protocol.js";
import { returnValue, toSignerError } from "./return-values.js";
import { inspectToken } from "./token-inspection.js";
import { WorkerPort } from "./worker-port.js";

/** Descriptions of the operations, for error messages. */
const DESCRIPTIONS: Readonly<Record<Request["operation"]["name"], string>> = {
  open: "opening the key",
  sign: "signing",
  describe: "reading the key's attributes",
  generate: "creating a key pair",
  list: "listing keys",
  delete: "deleting a key pair",
  inspect: "reading the token",
  initialize: "initialising the library",
  finalize: "finalising the library",
  close: "closing the key",
};

class LibraryWorker {
  readonly #port: WorkerPort;
  readonly #path: string;
  readonly #libraryParameters: string | undefined;
  readonly #lib: Cryptoki;
  readonly #keys: OpenKeys;

  constructor(port: WorkerPort, { path, libraryParameters }: WorkerData, lib: Cryptoki) {
    this.#port = port;
    this.#path = path;
    this.#libraryParameters = libraryParameters;
    this.#lib = lib;
    this.#keys = new OpenKeys({
      lib,
      ask: (question) => port.ask({ ask: "pin", ...question }, () => false),
      report: (outcome) => port.send({ outcome }),
      restart: (reason) => void port.ask({ ask: "restart", reason }, (request) => this.#runAtOnce(request)),
    });
  }

  serve(): void {
    for (let requests = this.#port.nextBatch(); requests; requests = this.#port.nextBatch()) {
      const start = performance.now();
      const responses = this.#runBatch(requests);
      const isSigning = requests[0]?.operation.name === "sign";
      const microsecondsPerSignature = isSigning ? (1000 * (performance.now() - start)) / requests.length : undefined;
      this.#port.send({ responses, microsecondsPerSignature });
    }
  }

  /** Returns the rest of the batch after a failed recovery, so that each request doesn't attempt another one. */
  #runBatch(requests: readonly Request[]): Response[] {
    let lost = false;
    return requests.map((request) => {
      this.#keys.learn(request);
      if (lost || !this.#port.claim(request)) return { id: request.id, returned: true };
      const response = this.#respond(request);
      this.#port.finish(request);
      lost = response.failure?.lost ?? false;
      return response;
    });
  }

  #respond(request: Request): Response {
    const { id, operation } = request;
    try {
      return { id, result: this.#run(request) };
    } catch (error) {
      const lost = error instanceof RecoveryFailed;
      const cause = lost ? error.cause : error;
      return { id, failure: toFailure(cause, DESCRIPTIONS[operation.name], lost, hintFor(this.#path, cause, "using")) };
    }
  }

  #run(request: Request): unknown {
    const { operation, key } = request;
    const [lib, keys] = [this.#lib, this.#keys];
    switch (operation.name) {
      case "sign":
        return keys.sign(request, operation.digest);
      case "open":
        return keys.use(request, ({ publicJwk, token }): Opened => ({ publicJwk, maxSessions: token.maxSessions }));
      case "describe":
        return keys.use(request, (opened) => readFacts(lib, this.#path, opened));
      case "generate":
        return keys.useToken(request, CKF_RW_SESSION, (session) => generateKeyPair(lib, session, keys.spec(request)));
      case "list":
        return keys.useToken(request, 0, (session, token) => listKeys(lib, session, keys.spec(request), token));
      case "delete":
        return keys.useToken(request, CKF_RW_SESSION, (session) => deleteKeyPair(lib, session, keys.spec(request)));
      case "inspect":
        return inspectToken(lib, keys.spec(request));
      case "close":
        return keys.forget(key);
      case "initialize":
        return this.#initialize(operation.first);
      case "finalize":
        return this.#finalize(operation.library);
    }
  }

  /** Runs the requests that make up a restart, while a request of this worker waits for it. */
  #runAtOnce(request: Request): boolean {
    if (request.operation.name !== "initialize" && request.operation.name !== "finalize") return false;
    this.#port.send({ responses: [this.#respond(request)] });
    return true;
  }

  /** @param first - Whether this worker must initialise the library, rather than another worker of the process. */
  #initialize(first: boolean): Initialized {
    const initialized = (first || !this.#isInitialized()) && this.#callInitialize(CKF_OS_LOCKING_OK);
    const canLock = initialized !== "can't lock";
    return {
      initialized: canLock ? initialized : this.#callInitialize(0) === true,
      oneAtATime: !canLock || usesTpm(this.#lib.C_GetInfo()),
    };
  }

  /** @returns `false` if another part of the process has initialised the library. */
  #callInitialize(flags: number): boolean | "can't lock" {
    try {
      this.#lib.C_Initialize(flags, this.#libraryParameters);
      return true;
    } catch (error) {
      const value = returnValue(error);
      if (value === "CKR_CRYPTOKI_ALREADY_INITIALIZED") return false;
      if (value === "CKR_CANT_LOCK" && flags !== 0) return "can't lock";
      throw toSignerError(error, `initialising ${this.#path}`, hintFor(this.#path, error, "starting"));
    }
  }

  #isInitialized(): boolean {
    try {
      this.#lib.C_GetInfo();
      return true;
    } catch {
      return false;
    }
  }

  #finalize(library: boolean): void {
    this.#keys.closeAll();
    if (!library) return;
    try {
      this.#lib.C_Finalize();
    } catch {
      // The library was lost, so it can't be finalised.
    }
  }
}

async function start(): Promise<LibraryWorker | undefined> {
  const data = workerData as WorkerData;
  const port = parentPort as MessagePort;
  try {
    const lib = loadLibrary(data.path, await importBinding(data.binding));
    port.postMessage({});
    return new LibraryWorker(new WorkerPort(port, data.shared), data, lib);
  } catch (error) {
    port.postMessage({ failure: toFailure(error, "loading the library") });
    return undefined;
  }
}

if (isMainThread) serveParentProcess();
else (await start())?.serve();
