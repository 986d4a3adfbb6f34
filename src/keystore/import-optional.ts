/** Optional packages: loaded at the first use of a key, and installed only by the applications that need them. */
import type { SignerError } from "../errors.js";
import { misconfigured } from "./signer-error.js";

/**
 * Creates the error for an optional package that can't be loaded.
 *
 * The `import()` stays at the call site, with a literal name and inside `try`: only then do bundlers find the package
 * and accept that it may be missing.
 *
 * @example
 * ```ts
 * try {
 *   return await import("@aws-sdk/client-kms");
 * } catch (cause) {
 *   throw missingPackage("@aws-sdk/client-kms", "AWS KMS", cause);
 * }
 * ```
 *
 * @param name - The package's name.
 * @param dependent - What needs the package, such as `AWS KMS`.
 * @param cause - What `import()` threw.
 * @param brokenRemedy - What to do if the package is installed but can't be loaded. Default: install it.
 */
export function missingPackage(name: string, dependent: string, cause: unknown, brokenRemedy?: string): SignerError {
  const install = `Install it beside hardproof: npm install ${name}.`;
  const remedy = brokenRemedy !== undefined && isInstalled(name, cause) ? brokenRemedy : install;
  return misconfigured(`${dependent} needs the package ${name}. ${remedy}`, { cause });
}

/** If the message names another file, then the package was found, and something that it requires was not. */
function isInstalled(name: string, cause: unknown): boolean {
  const [, missing] = (cause instanceof Error && /^Cannot find (?:package|module) '([^']+)'/.exec(cause.message)) || [];
  return missing !== name;
}
