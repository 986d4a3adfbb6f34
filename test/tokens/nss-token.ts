/** A throw-away database of NSS (Firefox's key store) with a P-256 key pair, used through NSS's own PKCS#11 library. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../softhsm/command.js";
import { makeDirectory, removeDirectory } from "../../softhsm/directory.js";
import { ensureParts } from "../../softhsm/install.js";
import {
  FIRST_KEY,
  type KeyPair,
  type StoredObject,
  secret,
  type Token,
  type TokenOptions,
} from "../../softhsm/token.js";
import { NSS_PARTS } from "./parts.js";

export interface NssToken extends Token {
  readonly libraryParameters: string;
}

/**
 * Makes a database and its token. It is found by `libraryParameters`, not by a variable.
 *
 * @throws TokenUnavailable where NSS or certutil can't be had.
 */
export async function nssToken(options: TokenOptions): Promise<NssToken> {
  const { label, pin = secret() } = options;
  const { nss: module, certutil } = await ensureParts(NSS_PARTS, options);
  const directory = makeDirectory("hardproof-nss-");
  const close = async () => removeDirectory(directory);
  const database = `sql:${directory}`;
  const libraryParameters = `configdir='${database}' dbTokenDescription='${label}' secmod='secmod.db' flags=`;
  const { generateKey, deleteObject } = objects({ module, libraryParameters, label, pin });
  try {
    await makeDatabase(certutil, database, join(directory, "pin"), pin);
    await generateKey({ ...FIRST_KEY, type: "EC:prime256v1" });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    module,
    libraryParameters,
    token: label,
    // All of NSS's tokens have this one.
    serial: "0000000000000000",
    pin,
    key: FIRST_KEY,
    env: {},
    directory,
    generateKey,
    deleteObject,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function makeDatabase(certutil: string, database: string, file: string, pin: string): Promise<void> {
  writeFileSync(file, `${pin}\n`, { mode: 0o600 });
  await run(certutil, ["-N", "-d", database, "-f", file]);
  rmSync(file);
}

/** `pkcs11-tool` can't pass NSS its parameters, and certutil gives its keys no label: a program of our own does. */
function objects(token: { module: string; libraryParameters: string; label: string; pin: string }) {
  const program = fileURLToPath(new URL("nss-objects.mjs", import.meta.url));
  const tell = (order: object) =>
    run(process.execPath, [program], { HARDPROOF_NSS: JSON.stringify({ ...token, ...order }) });
  const deleteObject = async (object: StoredObject) => {
    await tell({ delete: object });
  };
  const generateKey = async (pair: KeyPair) => {
    await tell({ generate: pair });
    if (pair.publicObject === false) await deleteObject({ type: "pubkey", id: pair.id, label: pair.label });
  };
  return { generateKey, deleteObject };
}
