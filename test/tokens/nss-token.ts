/** Creates a throw-away NSS database (Firefox's key store) with a P-256 key pair, for NSS's PKCS#11 library. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { KeyHalf, KeyName } from "hardproof/softhsm";
import { run } from "../../softhsm/command.js";
import { makeTempDirectory, removeTempDirectory } from "../../softhsm/directory.js";
import { ensureInstalled } from "../../softhsm/install.js";
import { NSS_DEPENDENCIES } from "./dependencies.js";
import { INITIAL_KEY, type KeyToGenerate, randomPin, type Token, type TokenOptions } from "./token.js";

/** A throw-away NSS token. */
export interface NssToken extends Token {
  readonly libraryParameters: string;
}

/**
 * Creates a database and its token. NSS finds it through `libraryParameters`, not through an environment variable.
 *
 * @throws {TokenUnavailable} If NSS or certutil can't be installed.
 */
export async function nssToken(options: TokenOptions): Promise<NssToken> {
  const { label, pin = randomPin() } = options;
  const { nss: module, certutil } = await ensureInstalled(NSS_DEPENDENCIES, options);
  const directory = makeTempDirectory("hardproof-nss-");
  const close = async () => removeTempDirectory(directory);
  const database = `sql:${directory}`;
  const libraryParameters = `configdir='${database}' dbTokenDescription='${label}' secmod='secmod.db' flags=`;
  const { addKey, deleteKey } = objectFunctions({ module, libraryParameters, label, pin });
  try {
    await createDatabase(certutil, database, join(directory, "pin"), pin);
    await addKey(INITIAL_KEY);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    module,
    libraryParameters,
    token: label,
    // Every NSS token has this serial number.
    serial: "0000000000000000",
    pin,
    key: INITIAL_KEY,
    env: {},
    directory,
    addKey,
    deleteKey,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function createDatabase(certutil: string, database: string, file: string, pin: string): Promise<void> {
  writeFileSync(file, `${pin}\n`, { mode: 0o600 });
  await run(certutil, ["-N", "-d", database, "-f", file]);
  rmSync(file);
}

/** Uses nss-objects.mjs, because `pkcs11-tool` can't pass parameters to NSS, and certutil can't label a key. */
function objectFunctions(token: { module: string; libraryParameters: string; label: string; pin: string }) {
  const program = fileURLToPath(new URL("nss-objects.mjs", import.meta.url));
  const send = (request: object) =>
    run(process.execPath, [program], { HARDPROOF_NSS: JSON.stringify({ ...token, ...request }) });
  const deleteKey = async (key: KeyName, { only }: { readonly only?: KeyHalf } = {}) => {
    for (const half of only ? [only] : ["private", "public"]) await send({ delete: { ...key, half } });
  };
  const addKey = async (key: KeyToGenerate) => {
    await send({ generate: key });
    if (key.publicObject === false) await deleteKey({ label: key.label, id: key.id }, { only: "public" });
  };
  return { addKey, deleteKey };
}
