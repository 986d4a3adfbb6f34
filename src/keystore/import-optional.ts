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
 * @param brokenRemedy - What to do if the package is installed but can't be loaded. Default: what the error says, and to
 *   leave the package out of a bundle.
 */
export function missingPackage(name: string, dependent: string, cause: unknown, brokenRemedy?: string): SignerError {
  if (!isInstalled(name, cause)) return missingPackages({ [name]: "" }, dependent, cause);
  const remedy =
    brokenRemedy ??
    `It can't be loaded: ${firstLine(cause)}. In a bundle, leave it external or see docs/bundling.md; otherwise, reinstall it.`;
  return misconfigured(`${dependent} needs the package ${name}. ${remedy}`, { cause });
}

function firstLine(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n", 1)[0] ?? "").replace(/\.$/, "") : "it threw a value";
}

/**
 * Creates the error for packages of which one is needed and none is installed.
 *
 * @param packages - By name: a note on the installation, such as `prebuilt`, or an empty string.
 * @param dependent - What needs one of them, such as `PKCS#11`.
 */
export function missingPackages(
  packages: Readonly<Record<string, string>>,
  dependent: string,
  cause?: unknown,
): SignerError {
  const commands = Object.entries(packages).map(([name, note]) => `npm install ${name}${note && ` (${note})`}`);
  const names = Object.keys(packages).join(" or ");
  const remedy = `Install it beside hardproof: ${commands.join(", or ")}.`;
  return misconfigured(`${dependent} needs the package ${names}. ${remedy}`, { cause });
}

/** The messages of Node.js, Bun and bundlers; of Deno for a package in `node_modules`; of Deno for the program itself. */
const NOT_FOUND = /^(?:Cannot find (?:package|module)|Could not find package|Import) ['"]([^'"]+)['"]/;

/**
 * Returns whether a package was found although its import failed.
 *
 * @param cause - What `import()` threw. If its message names another file, something that the package requires is missing.
 */
export function isInstalled(name: string, cause: unknown): boolean {
  const [, missing] = (cause instanceof Error && NOT_FOUND.exec(cause.message)) || [];
  return missing !== name;
}
