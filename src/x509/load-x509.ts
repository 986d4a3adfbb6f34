/** Loads @peculiar/x509, an optional package. */
import { SignerError } from "../index.js";

/**
 * Imports the package.
 *
 * It needs decorator metadata on the global `Reflect`. If no other module has added that, `reflect-metadata` does.
 *
 * @throws {SignerError} With code `misconfigured` if one of the packages isn't installed or can't be loaded.
 */
export async function loadX509() {
  try {
    if (!("getMetadata" in Reflect)) await import("reflect-metadata");
    return await import("@peculiar/x509");
  } catch (cause) {
    const remedy = isMissing(cause)
      ? "Install them beside hardproof: npm install @peculiar/x509 reflect-metadata."
      : `They can't be loaded: ${String(cause).split("\n", 1)[0]}`;
    const message = `Certificates need the packages @peculiar/x509 and reflect-metadata. ${remedy}`;
    throw new SignerError("misconfigured", message, { cause });
  }
}

/** Bundlers, Deno and Bun use the same codes as Node.js. */
function isMissing(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && /^(ERR_)?MODULE_NOT_FOUND$/.test(String(cause.code));
}

/** The module. */
export type X509 = Awaited<ReturnType<typeof loadX509>>;
