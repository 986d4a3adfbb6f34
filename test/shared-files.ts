/** Which test files run one after another in the same process. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The tests of layers that keep nothing in the process, apart from caches. */
const FOLDERS = ["dpop", "jose", "oauth", "resource", "tokens", "x509"].map((layer) => `test/src/${layer}`);

/** What a process has only once: its environment, global objects, PKCS#11 libraries, replaced modules. */
const USES_THE_PROCESS =
  /\bprocess\.|\bglobalThis\b|node:(child_process|worker_threads)|softHsm|\/(tokens|token-stores|shim|mtls)\/|\bvi\.(mock|stub)|inject\(/;

/** Returns the paths of the files, relative to the repository. */
export function sharedFiles(root: string): string[] {
  return FOLDERS.flatMap((folder) => testFiles(root, folder)).filter(
    (file) => !USES_THE_PROCESS.test(readFileSync(join(root, file), "utf8")),
  );
}

function testFiles(root: string, folder: string): string[] {
  const names = readdirSync(join(root, folder), { encoding: "utf8", recursive: true });
  return names.filter((name) => name.endsWith(".test.ts")).map((name) => `${folder}/${name}`);
}
