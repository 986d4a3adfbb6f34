/** Where tpm2-pkcs11's library is on this machine. */
import { access, constants, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SignerError } from "../../src/errors.js";

const NAMES = ["libtpm2_pkcs11.so", "libtpm2_pkcs11.so.1", "libtpm2_pkcs11.so.0"];
const INSTALL = "Debian and Ubuntu: apt-get install libtpm2-pkcs11-1; Fedora: dnf install tpm2-pkcs11";

/**
 * @param named - taken as it is
 * @throws {SignerError} code `misconfigured` if none is named and none is in a usual place
 */
export async function findTpmModule(named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  for (const directory of await usualDirectories())
    for (const name of NAMES) if (await isReadable(join(directory, name))) return join(directory, name);
  throw new SignerError("misconfigured", `tpm2-pkcs11 is in no usual place. ${INSTALL}; or give its path as module.`);
}

async function usualDirectories(): Promise<string[]> {
  const entries = await readdir("/usr/lib").catch(() => []);
  const multiarch = entries.filter((name) => name.includes("-linux-")).map((name) => join("/usr/lib", name));
  const roots = [...multiarch, "/usr/lib64", "/usr/lib", "/usr/local/lib"];
  return roots.flatMap((root) => [join(root, "pkcs11"), root]);
}

function isReadable(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}
