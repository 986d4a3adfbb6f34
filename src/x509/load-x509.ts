/** Loads @peculiar/x509, an optional package. */
import { SignerError } from "../index.js";

/**
 * Imports the package.
 *
 * It needs decorator metadata on the global `Reflect`. If no other module has added that, `reflect-metadata` does.
 *
 * @throws {SignerError} With code `misconfigured` if one of the packages isn't installed.
 */
export async function loadX509() {
  try {
    if (!("getMetadata" in Reflect)) await import("reflect-metadata");
    return await import("@peculiar/x509");
  } catch (cause) {
    const remedy = "Install them beside hardproof: npm install @peculiar/x509 reflect-metadata.";
    const message = `Certificates need the packages @peculiar/x509 and reflect-metadata. ${remedy}`;
    throw new SignerError("misconfigured", message, { cause });
  }
}

/** The module. */
export type X509 = Awaited<ReturnType<typeof loadX509>>;
