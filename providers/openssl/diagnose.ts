/** The checks of `hardproof doctor` for a key that OpenSSL opens: Node, OpenSSL's configuration, the loader, the PIN's source. */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { pathWithMode } from "../../src/keystore/file-permissions.js";
import type { Finding } from "../../src/keystore/finding.js";
import { checkPinSource } from "../../src/keystore/pin-source.js";
import { callStore, checkTimeout } from "../../src/keystore/store-call.js";
import { configurationInForce } from "./configuration.js";
import { errorWithoutAttempt } from "./errors.js";
import { NODE_NEEDED, versionProblem } from "./node-version.js";
import type { OpensslKey } from "./signer.js";
import { formatOpensslUri } from "./uri.js";
import { LOAD_KEY, runInWorker } from "./worker.js";

/** The mode bits with which the group or others can write. */
const OTHERS_WRITE = 0o022;

/**
 * Yields one finding per check. Doesn't load the key, and doesn't try a PIN.
 *
 * @param timeout - Milliseconds for the call of the loader, as the option of a signer.
 * @throws {SignerError} If the loader doesn't respond in time.
 */
export async function* diagnoseOpenssl(key: OpensslKey, timeout: number | undefined): AsyncGenerator<Finding> {
  const problem = versionProblem();
  if (problem !== undefined) {
    yield { check: "OpenSSL", ok: false, found: problem, remedy: NODE_NEEDED };
    return;
  }
  yield { check: "OpenSSL", ok: true, found: `version ${process.versions.openssl}` };
  yield await checkConfiguration();
  const uri = formatOpensslUri(key);
  const call = { uri, operation: "looking for the loader", timeout: checkTimeout(uri, timeout) };
  yield await callStore(call, () => checkLoader(key));
  yield await checkPinSource(key.pin);
}

async function checkConfiguration(): Promise<Finding> {
  const check = "configuration";
  const { path, source } = configurationInForce();
  if (path === undefined)
    return { check, ok: null, found: "none: only the built-in loader file: is available, unless a module adds others" };
  const file = await stat(path).catch(() => undefined);
  const text = await readFile(path, "utf8").catch(() => undefined);
  const bad = (found: string, remedy: string): Finding => ({ check, ok: false, found, remedy });
  if (!file || text === undefined)
    return bad(
      `${path} (${source}) can't be read`,
      `Correct ${source}. Without the file, Node doesn't load a provider.`,
    );
  const found = `${pathWithMode(path, file.mode)}, by ${source}`;
  const missing = modulesIn(text).find((module) => !existsSync(module));
  if (missing !== undefined) return bad(`${found}: ${missing} doesn't exist`, "Install it, or correct the path.");
  if ((file.mode & OTHERS_WRITE) === 0) return { check, ok: true, found };
  return bad(found, "Run `chmod go-w` on it: anyone who can write it can sign with your key.");
}

/** Returns the modules with an absolute path. Node doesn't report one that can't be loaded. */
function modulesIn(configuration: string): string[] {
  const lines = configuration.matchAll(/^[ \t]*(?:module|pkcs11-module-path)[ \t]*=[ \t]*(\/[^\s#]+)/gm);
  return [...lines].map(([, module = ""]) => module);
}

/** Asks the loader for a key that doesn't exist. */
async function checkLoader({ scheme, properties }: OpensslKey): Promise<Finding> {
  const check = "loader";
  const storeUri = missingKey(scheme);
  const options = { key: storeUri, ...(properties !== undefined && { properties }) };
  const { failure } = await runInWorker(LOAD_KEY, options);
  const error = failure && errorWithoutAttempt({ scheme, storeUri, properties, pin: undefined }, failure);
  if (error?.code === "misconfigured")
    return { check, ok: false, found: `none for ${scheme}: URIs`, remedy: error.message };
  if (error?.code === "access-denied") return { check, ok: false, found: "not allowed", remedy: error.message };
  return { check, ok: true, found: `OpenSSL has a loader for ${scheme}: URIs` };
}

function missingKey(scheme: string): string {
  const name = `hardproof-doctor-${randomBytes(8).toString("hex")}`;
  if (scheme === "pkcs11") return `pkcs11:token=${name};object=${name};type=private`;
  if (scheme === "handle") return "handle:0x0";
  return scheme === "file" ? `file:///${name}` : `${scheme}:${name}`;
}
