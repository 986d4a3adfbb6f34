/** A throw-away SoftHSM token with a P-256 key pair that can't leave it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, removeDirectory } from "./directory.js";
import { pointProcessAt } from "./environment.js";
import { ensureParts } from "./install.js";
import { SOFT_HSM_PARTS } from "./parts.js";
import { makeToken, type Token, type TokenOptions } from "./token.js";

export interface SoftHsm extends Token {
  readonly soPin: string;
  readonly env: { readonly SOFTHSM2_CONF: string };
}

/**
 * Makes a token, and points this process at it: the library reads `SOFTHSM2_CONF` at `C_Initialize`. A process has one
 * such variable, so a second token that is open at the same time gets none of it, only its own `env`.
 *
 * @throws TokenUnavailable where no token can be had.
 */
export async function softHsm(options: TokenOptions): Promise<SoftHsm> {
  const parts = await ensureParts(SOFT_HSM_PARTS, options);
  const directory = makeDirectory("hardproof-softhsm-");
  const env = { SOFTHSM2_CONF: join(directory, "softhsm2.conf") };
  const restoreEnvironment = pointProcessAt(env);
  const close = async () => {
    restoreEnvironment();
    removeDirectory(directory);
  };
  try {
    configure(directory, env.SOFTHSM2_CONF);
    // SoftHSM lets a private key decrypt and unwrap unless told not to, which pkcs11-tool can't: one mechanism alone.
    const library = { tool: parts["pkcs11-tool"], module: parts.softhsm, env, mechanism: "ECDSA" };
    return { ...(await makeToken(library, options)), env, directory, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function configure(directory: string, file: string): void {
  const tokens = join(directory, "tokens");
  mkdirSync(tokens);
  const lines = [`directories.tokendir = ${tokens}`, "objectstore.backend = file", "log.level = ERROR"];
  writeFileSync(file, `${lines.join("\n")}\n`);
}
