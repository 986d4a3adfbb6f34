/** What a program of this folder is told by its environment: where the token is. Each runs in a process of its own. */
import type { Pkcs11SignerOptions } from "../../providers/pkcs11/index.js";

export interface Told {
  module: string;
  token: string;
}

/** @returns the environment that tells a program of the token; the PIN with it, not by the command line */
export function tell({ module, token }: Told, pin: string): NodeJS.ProcessEnv {
  return { ...process.env, HARDPROOF_TOLD: JSON.stringify({ module, token }), HARDPROOF_TOLD_PIN: pin };
}

export function told(): Pkcs11SignerOptions {
  return { ...JSON.parse(process.env.HARDPROOF_TOLD ?? "{}"), key: "dpop", pin: { env: "HARDPROOF_TOLD_PIN" } };
}
