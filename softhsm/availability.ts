/** Whether tokens can be made on this machine, and what happens to a test if they can't. */
import { SOFTHSM_DEPENDENCIES } from "./dependencies.js";
import { ensureInstalled, findInstalled, TokenUnavailable } from "./install.js";
import { type Maker, makerFor } from "./maker.js";
import { misconfigured } from "./misconfigured.js";

/** How SoftHSM is found. */
export interface InstallOptions {
  /**
   * Installs SoftHSM if it is missing, with the system's package manager, if that needs no password. Default: `true`.
   */
  readonly install?: boolean | undefined;
  /** Receives one line before SoftHSM is installed. Default: standard error. */
  readonly log?: ((line: string) => void) | undefined;
}

/** SoftHSM's library, and the process that makes tokens with it. */
export interface SoftHsmLibrary {
  /** The path of the library. */
  readonly module: string;
  readonly maker: Maker;
}

/**
 * Finds SoftHSM, and loads it in a separate process.
 *
 * @throws {TokenUnavailable} If SoftHSM can't be found, installed or loaded.
 */
export async function findSoftHsm({ install = true, log }: InstallOptions = {}): Promise<SoftHsmLibrary> {
  const found = install ? ensureInstalled(SOFTHSM_DEPENDENCIES, { log }) : findInstalled(SOFTHSM_DEPENDENCIES);
  const { softhsm: module } = await found;
  return { module, maker: await makerFor(module) };
}

/**
 * Returns why tokens can't be made on this machine, for a test runner that skips tests with a reason; `undefined` if they
 * can be made. With `HARDPROOF_SOFTHSM=require` in the environment, it throws the reason instead, so that a CI job fails
 * and no test is skipped unnoticed.
 *
 * @example
 * ```ts
 * const skip = await softHsmSkipReason();
 * test("signs with a key on a token", { skip }, async () => { … }); // node:test
 * describe.skipIf(skip)("a key on a token", () => { … }); // vitest
 * ```
 * @throws {TokenUnavailable} With `HARDPROOF_SOFTHSM=require`.
 * @throws {SignerError} With code `misconfigured` for another value of `HARDPROOF_SOFTHSM` than `require` and `skip`.
 */
export async function softHsmSkipReason(options: InstallOptions = {}): Promise<string | undefined> {
  const mustExist = isRequired();
  try {
    await findSoftHsm(options);
    return undefined;
  } catch (error) {
    if (error instanceof TokenUnavailable && !mustExist) return error.message;
    throw error;
  }
}

function isRequired(): boolean {
  const value = process.env.HARDPROOF_SOFTHSM || "skip";
  if (value === "require") return true;
  if (value === "skip") return false;
  throw misconfigured(`HARDPROOF_SOFTHSM must be require or skip, but is ${value}.`);
}
