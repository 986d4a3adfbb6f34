/** Runs once before all tests: installs what the test tokens need, and packs the package. */
import type { TestProject } from "vitest/node";
import { ensureParts, SOFT_HSM_PARTS } from "../softhsm/index.js";
import type { Part } from "../softhsm/parts.js";
import { packTarball } from "./tarball.js";
import { NSS_PARTS, P11_KIT_PARTS, SOFT_TPM_PARTS } from "./tokens/index.js";

const OTHERS = { TPM: SOFT_TPM_PARTS, NSS: NSS_PARTS, "p11-kit": P11_KIT_PARTS };

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the packed package. */
    tarball: string;
    /** Why a token is not available on this machine, and the command that installs it. */
    unavailable: Partial<Record<keyof typeof OTHERS, string>>;
  }
}

/** SoftHSM is required. The suites of the other tokens are skipped if theirs is not available. */
export async function setup(project: TestProject): Promise<() => void> {
  await ensureParts(SOFT_HSM_PARTS, { log: console.log });
  const unavailable: Record<string, string> = {};
  for (const [name, parts] of Object.entries<Readonly<Record<string, Part>>>(OTHERS))
    await ensureParts(parts, { log: console.log }).catch((error: Error) => {
      unavailable[name] = error.message;
    });
  project.provide("unavailable", unavailable);
  const tarball = packTarball();
  project.provide("tarball", tarball.path);
  return tarball.remove;
}
