/** Loads a package that binds PKCS#11 libraries to JavaScript. Both packages are optional. */
import { isInstalled, missingPackage, missingPackages } from "../../src/keystore/import-optional.js";
import { BINDINGS, type Binding, type BindingName } from "./binding.js";
import { loadGraphene } from "./binding-graphene.js";
import { loadKoffi } from "./binding-koffi.js";
import { buildCommand } from "./build-remedy.js";

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
/** node-gyp downloads the headers from nodejs.org, which a network with its own npm registry often blocks. */
const BUILD_NEEDS =
  "Python, a C++ compiler and Node's headers: without access to nodejs.org, set npm_config_nodedir to their prefix, such as /usr, or npm_config_disturl to a mirror";
/** Notes on the installation. */
const NOTES: Readonly<Record<BindingName, string>> = {
  "graphene-pk11": "compiled at installation: needs Python, a C++ compiler and Node's headers",
  koffi: "prebuilt: needs no compiler",
};

function loadRemedy(name: BindingName, cause: unknown): string {
  if (cause instanceof Error && "code" in cause && cause.code === "ERR_DLOPEN_DISABLED")
    return "Node.js runs with --permission and may not load addons (ERR_DLOPEN_DISABLED): add --allow-addons.";
  if (name === "koffi") return `It can't be loaded: ${firstLine(cause)}`;
  if (!/\.node'/.test(firstLine(cause))) return `Its native addon can't be loaded: ${firstLine(cause)}`;
  const build = buildCommand();
  return `Its native addon was not built. Either install koffi, which is prebuilt, or build it: ${build} (needs ${BUILD_NEEDS}).`;
}

function firstLine(error: unknown): string {
  return String(error).split("\n", 1)[0] ?? "";
}
