/** The packages that bind PKCS#11 libraries to JavaScript. Both are optional. */
import { SignerError } from "../../src/errors.js";
import { BINDINGS, type Binding, type BindingName } from "./binding.js";
import { loadGraphene } from "./binding-graphene.js";

const LOADERS: Readonly<Record<BindingName, () => Binding | Promise<Binding>>> = {
  "graphene-pk11": loadGraphene,
  koffi: () => {
    throw new Error("not yet");
  },
};

/**
 * Loads the first package that is installed.
 *
 * @param name - The one to use, in place of any.
 * @throws {SignerError} With code `misconfigured` if it isn't installed, or its native part can't be loaded.
 */
export async function importBinding(name: BindingName | undefined): Promise<Binding> {
  for (const candidate of name ? [name] : BINDINGS)
    try {
      return await LOADERS[candidate]();
    } catch (cause) {
      if (isAbsent(cause, candidate)) continue;
      throw new SignerError("misconfigured", `PKCS#11 needs the package ${candidate}. ${remedy(cause)}`, { cause });
    }
  throw new SignerError("misconfigured", `PKCS#11 needs the package graphene-pk11. ${INSTALL}`);
}

const INSTALL = "Install it beside hardproof: npm install graphene-pk11.";

function remedy(_cause: unknown): string {
  return "Its native addon was not built. Build it: npm rebuild pkcs11js (needs Python and a C++ compiler).";
}

function isAbsent(error: unknown, name: string): boolean {
  return error instanceof Error && new RegExp(`^Cannot find (package|module) '${name}'`).test(error.message);
}
