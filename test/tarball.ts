/** The package as npm would publish it, and folders in which it is installed, with as many of its peers as a test wants. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import packageJson from "../package.json" with { type: "json" };

const root = fileURLToPath(new URL("..", import.meta.url));
const temporary = () => mkdtempSync(join(tmpdir(), "hardproof-package-"));

/** Builds and packs. */
export function packTarball(): { path: string; remove: () => void } {
  const directory = temporary();
  const printed = execFileSync("npm", ["pack", "--silent", "--pack-destination", directory], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const file = printed.trim().split("\n").at(-1);
  if (file === undefined) throw new Error("npm pack named no file");
  return { path: join(directory, file), remove: () => rmSync(directory, { recursive: true }) };
}

export interface InstalledPackage {
  readonly directory: string;
  /** Where the package is in it. */
  readonly path: string;
  /** Runs a module in it, and gives what that printed. */
  run(script: string, env?: Record<string, string>): string;
  remove(): void;
}

/** Lays the package out as npm would, its dependencies taken from those that are here. */
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
        env: { ...process.env, ...env },
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      }),
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** `node_modules/.bin`, as npm makes it. */
function linkCommands(directory: string, path: string): void {
  const bin = join(directory, "node_modules/.bin");
  mkdirSync(bin);
  for (const [name, file] of Object.entries(packageJson.bin)) {
    chmodSync(join(path, file), 0o755);
    symlinkSync(join(path, file), join(bin, name));
  }
}
