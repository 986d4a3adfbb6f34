/** Runs once before all tests: installs what the test tokens need, and packs the package. */
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import type { Dependency } from "../softhsm/dependencies.js";
import { SOFTHSM_DEPENDENCIES } from "../softhsm/dependencies.js";
import { ensureInstalled } from "../softhsm/install.js";
import { packTarball } from "./tarball.js";
import { POSTGRES_DEPENDENCIES, REDIS_DEPENDENCIES } from "./token-stores/dependencies.js";
import {
  ENGINE_DEPENDENCIES,
  installStoreNode,
  NSS_DEPENDENCIES,
  P11_KIT_DEPENDENCIES,
  PKCS11_TOOL_DEPENDENCIES,
  SOFT_TPM_DEPENDENCIES,
  SSH_AGENT_DEPENDENCIES,
  STORE_PROVIDER_DEPENDENCIES,
  TPM_HANDLE_DEPENDENCIES,
  TPM2_OPENSSL_DEPENDENCIES,
} from "./tokens/index.js";

const OTHERS = {
  TPM: SOFT_TPM_DEPENDENCIES,
  NSS: NSS_DEPENDENCIES,
  "p11-kit": P11_KIT_DEPENDENCIES,
  "tpm2-openssl": { ...SOFT_TPM_DEPENDENCIES, ...TPM2_OPENSSL_DEPENDENCIES },
  "TPM handles": { ...SOFT_TPM_DEPENDENCIES, ...TPM2_OPENSSL_DEPENDENCIES, ...TPM_HANDLE_DEPENDENCIES },
  "OpenSSL's headers": STORE_PROVIDER_DEPENDENCIES,
  engine: ENGINE_DEPENDENCIES,
  "ssh-agent": SSH_AGENT_DEPENDENCIES,
  Redis: REDIS_DEPENDENCIES,
  PostgreSQL: POSTGRES_DEPENDENCIES,
};

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the packed package. */
    tarball: string;
    /** Why a token or a server is not available on this machine, and the command that installs it. */
    unavailable: Partial<Record<keyof typeof OTHERS | "Node 24", string>>;
  }
}

/** SoftHSM and pkcs11-tool are required. Any other suite is skipped if its token or server isn't available. */
export async function setup(project: TestProject): Promise<() => void> {
  await ensureInstalled({ ...SOFTHSM_DEPENDENCIES, ...PKCS11_TOOL_DEPENDENCIES }, { log: console.log });
  const unavailable: Record<string, string> = {};
  for (const [name, dependencies] of Object.entries<Readonly<Record<string, Dependency>>>(OTHERS))
    await ensureInstalled(dependencies, { log: console.log }).catch((error: Error) => {
      unavailable[name] = error.message;
    });
  await installStoreNode().catch((error: Error) => {
    unavailable["Node 24"] = error.message;
  });
  project.provide("unavailable", unavailable);
  const tarball = packTarball();
  // The sources' programs would start a TypeScript compiler each time.
  process.env.HARDPROOF_PKCS11_WORKER = fileURLToPath(new URL("../dist/providers/pkcs11/worker.js", import.meta.url));
  process.env.HARDPROOF_SOFTHSM_PROGRAM = fileURLToPath(new URL("../dist/softhsm/program.js", import.meta.url));
  project.provide("tarball", tarball.path);
  return tarball.remove;
}
