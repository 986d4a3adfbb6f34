/** Creates a throw-away SoftHSM token with a non-extractable P-256 key pair. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SOFTHSM_DEPENDENCIES } from "./dependencies.js";
import { makeTempDirectory, removeTempDirectory } from "./directory.js";
import { setEnvironment } from "./environment.js";
import { ensureInstalled } from "./install.js";
import { createToken, type Token, type TokenOptions } from "./token.js";

/** A throw-away SoftHSM token. */
export interface SoftHsm extends Token {
  /** The PIN of the security officer. */
  readonly soPin: string;
  readonly env: { readonly SOFTHSM2_CONF: string };
}

/**
 * Creates a token, and sets `SOFTHSM2_CONF` of this process to its configuration, which the library reads at
 * `C_Initialize`. If another token is open, `SOFTHSM2_CONF` stays unchanged: pass `env` to the process that uses the
 * second token.
 *
 * @throws {TokenUnavailable} If SoftHSM or pkcs11-tool can't be installed.
 */
export async function softHsm(options: TokenOptions): Promise<SoftHsm> {
  const paths = await ensureInstalled(SOFTHSM_DEPENDENCIES, options);
  const directory = makeTempDirectory("hardproof-softhsm-");
  const env = { SOFTHSM2_CONF: join(directory, "softhsm2.conf") };
  const restoreEnvironment = setEnvironment(env);
  const close = async () => {
    restoreEnvironment();
    removeTempDirectory(directory);
  };
  try {
    writeConfiguration(directory, env.SOFTHSM2_CONF);
    // By default, a SoftHSM private key may also decrypt and unwrap, and pkcs11-tool can't turn that off.
    // Restricting the key to the mechanisms that sign has the same effect.
    const library = { tool: paths["pkcs11-tool"], module: paths.softhsm, env, restrictsMechanisms: true };
    return { ...(await createToken(library, options)), env, directory, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function writeConfiguration(directory: string, file: string): void {
  const tokens = join(directory, "tokens");
  mkdirSync(tokens);
  const lines = [`directories.tokendir = ${tokens}`, "objectstore.backend = file", "log.level = ERROR"];
  writeFileSync(file, `${lines.join("\n")}\n`);
}
