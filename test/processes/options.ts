/** Passes the token's location and PIN to the programs in this folder, each of which runs in its own process or thread. */
import type { Pkcs11SignerOptions } from "../../providers/pkcs11/index.js";

export interface TestToken {
  module: string;
  token: string;
}

/** Returns the environment for a program. The PIN is part of it because a command line is visible to other users. */
export function environmentFor({ module, token }: TestToken, pin: string): NodeJS.ProcessEnv {
  return { ...process.env, HARDPROOF_TEST_SIGNER: JSON.stringify({ module, token }), HARDPROOF_TEST_SIGNER_PIN: pin };
}

/** Returns the options of the program's signer, from its environment. */
export function signerOptions(): Pkcs11SignerOptions {
  const location = JSON.parse(process.env.HARDPROOF_TEST_SIGNER ?? "{}");
  return { ...location, key: "dpop", pin: { env: "HARDPROOF_TEST_SIGNER_PIN" } };
}
