/** Third-party providers. Their code is loaded because the operator named it, never because a URI did. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isProvider } from "./provider.js";
import { registerProvider } from "./registry.js";
import { misconfigured } from "./signer-error.js";

const PACKAGE = /^(@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*(\/[\w.~-]+)*$/;
const PATH = /^\.{0,2}\//;

/**
 * Loads packages and registers the provider that each of them exports as `provider`. It is for programs whose operator
 * names the packages in an option or in the environment variable `HARDPROOF_PROVIDERS`.
 *
 * @example
 * ```ts
 * await loadProviders(["hardproof-provider-mystore"]);
 * const signer = await openSigner("mystore:key-1");
 * ```
 *
 * @param names - Packages that are installed beside this one, or paths of modules (`/…`, `./…`, `../…`).
 * @throws {SignerError} With code `misconfigured` if a package can't be loaded or doesn't export a provider, or if its
 *   scheme is already registered.
 */
export async function loadProviders(names: readonly string[]): Promise<void> {
  if (!Array.isArray(names)) throw misconfigured("names must be an array of packages.");
  for (const name of names) {
    const module = await load(name);
    if (!("provider" in module) || !isProvider(module.provider))
      throw misconfigured(`${name} doesn't export a provider: it needs \`export const provider = { scheme, open }\`.`);
    registerProvider(module.provider);
  }
}

async function load(name: string): Promise<object> {
  const specifier = specifierOf(name);
  try {
    return await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ specifier);
  } catch (cause) {
    const message = `The provider ${name} can't be loaded. Is it installed beside hardproof? ${firstLine(cause)}`;
    throw misconfigured(message, { cause });
  }
}

/** Omits the other lines, in which Node lists the modules that required it. */
function firstLine(error: unknown): string {
  if (!(error instanceof Error)) return "It threw a value that isn't an error.";
  const kind = "code" in error ? `${error.name} ${error.code}` : error.name;
  return `${kind}: ${error.message.split("\n", 1)}`;
}

/** Accepts a package or a local file, but not the other specifiers of `import`: `data:`, `node:`, `https:`. */
function specifierOf(name: string): string {
  if (PATH.test(name)) return pathToFileURL(resolve(name)).href;
  if (PACKAGE.test(name)) return name;
  throw misconfigured("A provider must be named by its package, or by a path that starts with / or ./.");
}
