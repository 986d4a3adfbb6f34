/** Once before all tests: the parts of all tokens are here or get installed, and the package is packed as published. */
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { ensureParts, SOFT_HSM_PARTS } from "../softhsm/index.js";
import type { Part } from "../softhsm/parts.js";
import { packTarball } from "./tarball.js";
import { NSS_PARTS, P11_KIT_PARTS, SOFT_TPM_PARTS } from "./tokens/index.js";

const OTHERS = { TPM: SOFT_TPM_PARTS, NSS: NSS_PARTS, "p11-kit": P11_KIT_PARTS };

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the packed package. */
    tarball: string;
    /** Why a token can't be had here, and the command that would install it. */
    unavailable: Partial<Record<keyof typeof OTHERS, string>>;
  }
}

/** Most suites need SoftHSM; the suites of the others are skipped where theirs can't be had. */
export async function setup(project: TestProject): Promise<() => void> {
  await ensureParts(SOFT_HSM_PARTS, { log: console.log });
  const unavailable: Record<string, string> = {};
  for (const [name, parts] of Object.entries<Readonly<Record<string, Part>>>(OTHERS))
    await ensureParts(parts, { log: console.log }).catch((error: Error) => {
      unavailable[name] = error.message;
    });
  project.provide("unavailable", unavailable);
  const tarball = packTarball();
  // The sources' worker would start a TypeScript compiler for each library.
  process.env.HARDPROOF_PKCS11_WORKER = fileURLToPath(new URL("../dist/providers/pkcs11/worker.js", import.meta.url));
  project.provide("tarball", tarball.path);
  return tarball.remove;
}
