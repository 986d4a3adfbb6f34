/** Key stores of third parties: code that is loaded because the operator named it, and never because a URI did. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { isProvider } from "./provider.js";
import { registerProvider } from "./registry.js";
import { misconfigured } from "./signer-error.js";

const PACKAGE = /^(@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*(\/[\w.~-]+)*$/;
const PATH = /^\.{0,2}\//;

/**
 * Loads packages and registers the provider that each exports as `provider`. For programs whose operator names them: by
 * an option, or in the environment variable `HARDPROOF_PROVIDERS`.
 *
 * @param names - packages that are installed beside this one, or paths of modules (`/…`, `./…`, `../…`)
 * @throws {SignerError} code `misconfigured` if one can't be loaded, exports no provider, or has a scheme that is taken
 */
export async function loadProviders(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const module = await load(name);
    if (!("provider" in module) || !isProvider(module.provider))
      throw misconfigured(`${name} exports no provider: it needs \`export const provider = { scheme, open }\`.`);
    registerProvider(module.provider);
  }
}

async function load(name: string): Promise<object> {
  const specifier = specifierOf(name);
  try {
    return await import(/* @vite-ignore */ specifier);
  } catch (cause) {
    throw misconfigured(`The provider ${name} can't be loaded. Is it installed beside hardproof? ${whyNot(cause)}`, {
      cause,
    });
  }
}

/** In one line: below the first Node lists who required what. */
function whyNot(cause: unknown): string {
  if (!(cause instanceof Error)) return "It throws what is no error.";
  const kind = "code" in cause ? `${cause.name} ${cause.code}` : cause.name;
  return `${kind}: ${cause.message.split("\n", 1)}`;
}

/** A package or a file on this machine, and nothing that `import` would take besides: `data:`, `node:`, `https:`. */
function specifierOf(name: string): string {
  if (PATH.test(name)) return pathToFileURL(resolve(name)).href;
  if (PACKAGE.test(name)) return name;
  throw misconfigured("A provider is named by its package, or by a path that starts with / or ./.");
}
