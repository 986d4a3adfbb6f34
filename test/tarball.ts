/** The package as npm publishes it, installed into temporary directories with chosen peers. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
const temporary = () => mkdtempSync(join(tmpdir(), "hardproof-package-"));

/** Builds and packs the package. */
export function packTarball(): { path: string; remove: () => void } {
  const directory = temporary();
  const printed = execFileSync("npm", ["pack", "--silent", "--pack-destination", directory], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const file = printed.trim().split("\n").at(-1);
  if (file === undefined) throw new Error("npm pack didn't print a file name");
  return { path: join(directory, file), remove: () => rmSync(directory, { recursive: true }) };
}

/** A directory in which the package is installed. */
export interface InstalledPackage {
  readonly directory: string;
  /** The package's own directory. */
  readonly path: string;
  /** Runs an ES module in the directory, and returns what it printed. */
  run(script: string, env?: Record<string, string>): string;
  remove(): void;
}

/** Installs the package as npm does, with links to the dependencies of this repository. */
export function installTarball(tarball: string, peers: readonly string[] = []): InstalledPackage {
  const directory = temporary();
  const path = join(directory, "node_modules/hardproof");
  mkdirSync(path, { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", path]);
  for (const name of [...Object.keys(packageJson.dependencies), ...peers]) {
    mkdirSync(dirname(join(directory, "node_modules", name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(directory, "node_modules", name));
  }
  linkCommands(directory, path);
  return {
    directory,
    path,
    run: (script, env = {}) =>
      execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        cwd: directory,
        env: { ...process.env, HARDPROOF_PKCS11_WORKER: "", ...env },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      }),
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** Links TypeScript and the types of Node into an installed package's directory, as `npm install -D` does. */
export function linkCompiler({ directory }: InstalledPackage): void {
  mkdirSync(join(directory, "node_modules/@types"), { recursive: true });
  for (const name of ["typescript", "@types/node", ".bin/tsc"])
    symlinkSync(join(root, "node_modules", name), join(directory, "node_modules", name));
}

/** Creates `node_modules/.bin`, as npm does. */
function linkCommands(directory: string, path: string): void {
  const bin = join(directory, "node_modules/.bin");
  mkdirSync(bin);
  for (const [name, file] of Object.entries(packageJson.bin)) {
    chmodSync(join(path, file), 0o755);
    symlinkSync(join(path, file), join(bin, name));
  }
}
