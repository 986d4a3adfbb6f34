/** Keeps PKCS#11 libraries mapped until the process ends. */
import { constants } from "node:os";

/** `RTLD_NODELETE` of <dlfcn.h>. */
const RTLD_NODELETE: Readonly<Record<string, number>> = { linux: 0x1000, darwin: 0x80, freebsd: 0x2000 };

/** What is used of Bun's module `bun:ffi`. */
interface BunFfi {
  dlopen(path: string, symbols: Readonly<Record<string, { args: string[]; returns: string }>>): unknown;
}

/**
 * Keeps the library mapped until the process ends. A binding unloads it when its worker ends, and the destructors that a
 * library registered for its threads would then run in unmapped memory.
 *
 * @throws The loader's error if the library can't be loaded.
 */
export function keepMapped(path: string): void {
  if (process.versions.bun) keepMappedInBun(path);
  else keepMappedInNode(path);
}

/** In Deno, too. */
function keepMappedInNode(path: string): void {
  const flag = RTLD_NODELETE[process.platform];
  if (flag === undefined) return;
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | flag);
  } catch (error) {
    // Node.js and Deno report that the library isn't an addon, but have loaded it by then.
    if (!/self-register|register Node-API module/.test(String(error))) throw error;
  }
}

/** Bun's `process.dlopen` ignores the flag. */
function keepMappedInBun(path: string): void {
  const ffi = process.getBuiltinModule("bun:ffi") as BunFfi;
  ffi.dlopen(path, { C_GetFunctionList: { args: ["ptr"], returns: "u64" } });
}
