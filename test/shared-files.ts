/** Which test files run one after another in the same process. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What a process has only once: its environment, global objects, PKCS#11 libraries, replaced modules. */
const USES_THE_PROCESS =
  /\bprocess\.|\bglobalThis\b|node:(child_process|worker_threads)|softHsm|hardware-keys|soak\.js|\/(tokens|token-stores|shim|mtls)\/|\bvi\.(mock|stub)|inject\(/;

/** Returns the paths of the files, relative to the repository. */
export function sharedFiles(root: string): string[] {
  const files = readdirSync(join(root, "test"), { encoding: "utf8", recursive: true }).map((name) => `test/${name}`);
  return files.filter(
    (file) => file.endsWith(".test.ts") && !USES_THE_PROCESS.test(readFileSync(join(root, file), "utf8")),
  );
}
