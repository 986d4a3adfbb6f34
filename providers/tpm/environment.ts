/** tpm2-pkcs11 takes its store and its way to the TPM from the environment alone: a process has one of each. */
import { isMainThread } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";

/** Where tpm2-pkcs11 looks; what is left out is as the environment says. */
export interface Place {
  readonly store: string | undefined;
  readonly tcti: string | undefined;
}

const VARIABLES = { store: "TPM2_PKCS11_STORE", tcti: "TPM2_PKCS11_TCTI" } as const;

/** Of this process, once a signer was opened. */
let used: Record<keyof Place, string> | undefined;

/**
 * Sets the variables; to be called before the library is loaded.
 *
 * @throws {SignerError} code `misconfigured` if this process uses another store or TCTI, or if a worker thread would have
 * to set them: its environment is a copy that no library sees
 */
export function pointLibraryAt(place: Place): void {
  const wanted = { store: effective(place, "store"), tcti: effective(place, "tcti") };
  for (const name of ["store", "tcti"] as const) {
    const variable = VARIABLES[name];
    if (used && used[name] !== wanted[name]) {
      const both = `${used[name] || "the default"}, and this signer wants ${wanted[name] || "the default"}`;
      throw new SignerError("misconfigured", `A process has one TPM ${name}. This one uses ${both} (${variable}).`);
    }
    if (!isMainThread && place[name] !== undefined && place[name] !== process.env[variable])
      throw new SignerError(
        "misconfigured",
        `A worker thread can't set ${variable}: set it before the process starts.`,
      );
  }
  for (const name of ["store", "tcti"] as const) if (wanted[name] !== "") process.env[VARIABLES[name]] = wanted[name];
  used = wanted;
}

function effective(place: Place, name: keyof Place): string {
  return place[name] ?? process.env[VARIABLES[name]] ?? "";
}
