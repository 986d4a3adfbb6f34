/** Loads a package that binds PKCS#11 libraries to JavaScript. Both packages are optional. */
import { isInstalled, missingPackage, missingPackages } from "../../src/keystore/import-optional.js";
import { BINDINGS, type Binding, type BindingName } from "./binding.js";
import { loadGraphene } from "./binding-graphene.js";
import { loadKoffi } from "./binding-koffi.js";

const LOADERS: Readonly<Record<BindingName, () => Binding>> = {
  "graphene-pk11": loadGraphene,
  koffi: loadKoffi,
};

/**
 * Loads a package.
 *
 * @param name - The package to load. Default: the first one that is installed.
 * @throws {SignerError} With code `misconfigured` if the package isn't installed, or its native part can't be loaded.
 */
export async function importBinding(name: BindingName | undefined): Promise<Binding> {
  const candidates = name ? [name] : BINDINGS;
  for (const candidate of candidates)
    try {
      return LOADERS[candidate]();
    } catch (cause) {
      if (isInstalled(candidate, cause))
        throw missingPackage(candidate, DEPENDENT, cause, loadRemedy(candidate, cause));
    }
  throw missingPackages(Object.fromEntries(candidates.map((candidate) => [candidate, NOTES[candidate]])), DEPENDENT);
}

const DEPENDENT = "PKCS#11";
/** Notes on the installation. */
const NOTES: Readonly<Record<BindingName, string>> = {
  "graphene-pk11": "compiled at installation: needs Python and a C++ compiler",
  koffi: "prebuilt: needs no compiler",
};

function loadRemedy(name: BindingName, cause: unknown): string {
  if (cause instanceof Error && "code" in cause && cause.code === "ERR_DLOPEN_DISABLED")
    return "Node.js runs with --permission and may not load addons (ERR_DLOPEN_DISABLED): add --allow-addons.";
  if (name === "koffi") return `It can't be loaded: ${firstLine(cause)}`;
  return "Its native addon was not built. Build it: npm rebuild pkcs11js (needs Python and a C++ compiler). Or install koffi.";
}

function firstLine(error: unknown): string {
  return String(error).split("\n", 1)[0] ?? "";
}
