/** The files of a release: the tarball, its bill of materials in two formats, and their checksums. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SBOM_FORMATS = ["spdx", "cyclonedx"] as const;
export const CHECKSUMS = "SHA256SUMS";

/**
 * Writes the files into a new directory, which replaces an older one.
 *
 * @returns The path of the tarball.
 */
export function writeArtifacts(root: string, directory: string): string {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const [name = ""] = npm(root, "pack", "--silent", "--pack-destination", directory).trim().split("\n").slice(-1);
  const sboms = writeSboms(root, directory, name.replace(/\.tgz$/, ""));
  // The format of sha256sum, whose option --check reads it.
  const lines = [name, ...sboms].map((file) => `${sha256(join(directory, file))}  ${file}\n`);
  writeFileSync(join(directory, CHECKSUMS), lines.join(""));
  return join(directory, name);
}

/**
 * `npm sbom --omit=dev` also leaves out a dependency that a package for the development needs, too, as it does with jose. Hence a
 * copy of the package that has only its dependencies, in the versions of the lock file.
 */
function writeSboms(root: string, directory: string, base: string): string[] {
  const copy = mkdtempSync(join(tmpdir(), "hardproof-sbom-"));
  try {
    copyManifest(root, copy);
    npm(copy, "install", "--package-lock-only", "--no-audit", "--no-fund", "--silent");
    return SBOM_FORMATS.map((format) => {
      const file = `${base}.${format}.json`;
      writeFileSync(join(directory, file), npm(copy, "sbom", "--package-lock-only", "--sbom-format", format));
      return file;
    });
  } finally {
    rmSync(copy, { recursive: true });
  }
}

function copyManifest(root: string, copy: string): void {
  const { scripts, devDependencies, peerDependencies, peerDependenciesMeta, ...manifest } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  );
  writeFileSync(join(copy, "package.json"), JSON.stringify(manifest));
  copyFileSync(join(root, "package-lock.json"), join(copy, "package-lock.json"));
}

function npm(root: string, ...args: readonly string[]): string {
  return execFileSync("npm", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
