/** Shared by the PKCS#11 benchmarks: the temporary token's key, and proofs with it. */
import type { Pkcs11SignerOptions } from "hardproof/pkcs11";
import { startContender } from "../contender.js";
import type { Program } from "../program.js";
import type { KeyOnToken } from "./c-sign.js";

/** A temporary token with a key. */
export interface Token {
  module: string;
  token: string;
  key: { label: string };
  pin: string;
  env: Readonly<Record<string, string>>;
}

/** Returns what the C program and the signer need to use the token's key. */
export function keyOn({ module, token, key, pin, env }: Token): KeyOnToken {
  return { module, token, key: key.label, pin, env };
}

/** Starts proofs with the key, by one signer or by many in turn. */
export function proofsOn(
  { module, token, key, pin, env }: KeyOnToken,
  options: Partial<Pkcs11SignerOptions> = {},
  signers = 1,
): Program {
  const args = [JSON.stringify({ module, token, key, ...options }), String(signers)];
  return startContender("pkcs11", args, { title: "Hardproof", env: { ...env, HARDPROOF_PIN: pin } });
}
