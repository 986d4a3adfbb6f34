/** What a program of this folder is told by its environment: where the token is. Each runs in a process of its own. */
import type { Pkcs11SignerOptions } from "../../providers/pkcs11/index.js";

export interface TestToken {
  module: string;
  token: string;
}

/** @returns the environment that tells a program of the token; the PIN with it, not by the command line */
export function environmentFor({ module, token }: TestToken, pin: string): NodeJS.ProcessEnv {
  return { ...process.env, HARDPROOF_TEST_SIGNER: JSON.stringify({ module, token }), HARDPROOF_TEST_SIGNER_PIN: pin };
}

export function signerOptions(): Pkcs11SignerOptions {
  return {
    ...JSON.parse(process.env.HARDPROOF_TEST_SIGNER ?? "{}"),
    key: "dpop",
    pin: { env: "HARDPROOF_TEST_SIGNER_PIN" },
  };
}
