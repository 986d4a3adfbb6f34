/** Runs short programs in a worker thread, so that OpenSSL's synchronous calls don't stop the event loop. */
import { Worker } from "node:worker_threads";

/** An error of the program, which can be posted to another thread. */
export interface Failure {
  readonly code: string | undefined;
  readonly message: string;
  /** The number of errors that OpenSSL has reported. */
  readonly errors?: number;
}

/**
 * Loads a key, and derives its public key, which may be a call to the token.
 *
 * `workerData` is the argument of `createPrivateKey`, with the URL as text.
 */
export const LOAD_KEY = programOf(`
  const key = createPrivateKey({ ...workerData, key: new URL(workerData.key) });
  let spki;
  try {
    spki = createPublicKey(key).export({ type: "spki", format: "der" });
  } catch {}
  return { key, spki };
`);

/**
 * Signs a text, so that a wrong PIN is found. With a digest, the classic API makes one attempt, where `sign` makes two.
 */
export const TEST_KEY = programOf(`
  const { key, hash, options } = workerData;
  const text = Buffer.from("Hardproof checks whether this key can sign.");
  if (hash === undefined) sign(undefined, text, key);
  else createSign(hash).update(text).sign({ ...options, key, dsaEncoding: "der" });
  return {};
`);

/** The programs are texts, because a bundle wouldn't contain their files. */
function programOf(body: string): string {
  return `
    const { parentPort, workerData } = require("node:worker_threads");
    const { createPrivateKey, createPublicKey, createSign, sign } = require("node:crypto");
    const run = () => {${body}};
    try {
      parentPort.postMessage(run());
    } catch ({ code, message, opensslErrorStack = [] }) {
      parentPort.postMessage({ failure: { code, message, errors: opensslErrorStack.length } });
    }
  `;
}

const FORBIDDEN: Failure = { code: "ERR_ACCESS_DENIED", message: "Node's permission model doesn't allow it." };

/**
 * Runs a program. It can't be stopped: a call of OpenSSL ends when it returns.
 *
 * @returns What the program returns, or why it failed.
 * @throws {Error} If the thread can't be started, or ends without a result.
 */
export function runInWorker<Result>(
  program: string,
  workerData: unknown,
): Promise<Partial<Result> & { readonly failure?: Failure }> {
  // Without the options of the process, the permission model doesn't apply to the thread.
  if (process.permission?.has("openssl.store") === false) return Promise.resolve({ failure: FORBIDDEN } as never);
  return new Promise((resolve, reject) => {
    // The thread doesn't load what the application preloads (--import), and doesn't get its environment.
    const worker = new Worker(program, { eval: true, execArgv: [], env: {}, workerData });
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("The thread that calls OpenSSL has ended without a result.")));
  });
}
