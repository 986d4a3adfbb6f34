/** Once before all tests: the parts of all tokens are here or get installed, and the package is packed as published. */
import type { TestProject } from "vitest/node";
import type { Dependency } from "../softhsm/dependencies.js";
import { ensureInstalled, SOFTHSM_DEPENDENCIES } from "../softhsm/index.js";
import { packTarball } from "./tarball.js";
import { NSS_DEPENDENCIES, P11_KIT_DEPENDENCIES, SOFT_TPM_DEPENDENCIES } from "./tokens/index.js";

const OTHERS = { TPM: SOFT_TPM_DEPENDENCIES, NSS: NSS_DEPENDENCIES, "p11-kit": P11_KIT_DEPENDENCIES };

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
  await ensureInstalled(SOFTHSM_DEPENDENCIES, { log: console.log });
  const unavailable: Record<string, string> = {};
  for (const [name, dependencies] of Object.entries<Readonly<Record<string, Dependency>>>(OTHERS))
    await ensureInstalled(dependencies, { log: console.log }).catch((error: Error) => {
      unavailable[name] = error.message;
    });
  project.provide("unavailable", unavailable);
  const tarball = packTarball();
  project.provide("tarball", tarball.path);
  return tarball.remove;
}
