/** Persistent keys of a software TPM, by tpm2-tools. */
import { dirname, join } from "node:path";
import { run } from "../../softhsm/command.js";
import type { Tpm2OpenSsl } from "./tpm2-openssl.js";

/** A key's algorithm, as `tpm2_create` expects it. */
type TpmKeyType = "ecc256" | "ecc384" | "rsa2048";

const ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign";

/**
 * Creates a key for signatures, and stores it in the TPM.
 *
 * @param handle - Such as `0x81010001`.
 * @param pin - The key's authorization value. Default: none.
 */
export async function createTpmKey(tpm: Tpm2OpenSsl, type: TpmKeyType, handle: string, pin?: string): Promise<void> {
  const file = (name: string) => join(dirname(tpm.configuration), `${handle}.${name}`);
  const tool = (program: string, ...args: string[]) => run(program, args, toolEnvironment(tpm));
  const [primary, context] = [file("primary"), file("context")];
  const halves = ["-u", file("public"), "-r", file("private")];
  const pinOption = pin === undefined ? [] : ["-p", pin];
  await tool("tpm2_createprimary", "-Q", "-C", "o", "-G", "ecc256", "-c", primary);
  await tool("tpm2_create", "-Q", "-C", primary, "-G", type, ...pinOption, "-a", ATTRIBUTES, ...halves);
  await tool("tpm2_load", "-Q", "-C", primary, ...halves, "-c", context);
  await tool("tpm2_evictcontrol", "-Q", "-C", "o", "-c", context, handle);
}

/** Returns how many wrong PINs the TPM has counted, and resets the counter. */
export async function tpmLockout(tpm: Tpm2OpenSsl): Promise<number> {
  const output = await run("tpm2_getcap", ["properties-variable"], toolEnvironment(tpm));
  await run("tpm2_dictionarylockout", ["--clear-lockout"], toolEnvironment(tpm));
  const [, counter] = /TPM2_PT_LOCKOUT_COUNTER:\s*(0x[0-9a-fA-F]+)/.exec(output) ?? [];
  if (counter === undefined) throw new Error("tpm2_getcap doesn't print the lockout counter.");
  return Number(counter);
}

function toolEnvironment({ env }: Tpm2OpenSsl): Record<string, string> {
  return { ...env, TPM2TOOLS_TCTI: env.TPM2OPENSSL_TCTI ?? "" };
}
