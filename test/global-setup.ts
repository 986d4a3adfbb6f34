/** Once before all tests: SoftHSM is here or gets installed, and the package is packed as it would be published. */

import type { TestProject } from "vitest/node";
import { ensureSoftHsm } from "../softhsm/index.js";
import { packTarball } from "./tarball.js";

export async function setup(project: TestProject): Promise<() => void> {
  await ensureSoftHsm({ log: console.log });
  const tarball = packTarball();
  project.provide("tarball", tarball.path);
  return tarball.remove;
}

declare module "vitest" {
  interface ProvidedContext {
    /** Path of the packed package. */
    tarball: string;
  }
}
